from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tools import dev

SCRIPT = Path(dev.__file__)


def test_an_old_interpreter_can_read_it() -> None:
    assert ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 9)).body


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(("words", "code"), [([], 2), (["dance"], 2), (["--help"], 0)])
def test_it_says_what_it_can_do(words: list[str], code: int) -> None:
    done = subprocess.run([sys.executable, SCRIPT, *words], check=False, capture_output=True, text=True)
    assert done.returncode == code
    assert "dev.py demo" in done.stderr
    assert "dev.py test" in done.stderr


def test_an_unknown_word_is_named_before_all_else(capfd: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["dance"]) == 2
    assert capfd.readouterr().err.startswith("dev.py: there is no 'dance'")
    assert dev.main(["--help"]) == 0
    assert "there is no" not in capfd.readouterr().err


def test_it_finds_an_interpreter_that_is_new_enough() -> None:
    assert dev.version_of(dev.choose_python()) >= dev.NEEDED


def test_an_interpreter_that_is_not_there_has_no_version() -> None:
    assert dev.version_of("/nowhere/python") == ()


def test_a_package_nobody_has_is_not_installed() -> None:
    assert not dev.is_installed("no-such-package-anywhere") or not Path("/usr/bin/dpkg-query").exists()


def test_the_whole_test_run_has_the_suites_and_the_linters() -> None:
    titles = [title for title, _ in dev.LINTERS]
    assert titles == ["ruff check", "ruff format", "mypy", "lint-imports"]
    quick, everything = dev.test_runs(everything=False), dev.test_runs(everything=True)
    assert len(quick) == 1
    assert len(everything) == 2
    assert "slow" in everything[1][1][-1]


def test_a_failing_step_is_told_with_its_command() -> None:
    with pytest.raises(dev.Trouble, match="false"):
        dev.run(["false"])
