"""The house's own rules: doors, sizes, names, what the wheel holds, and that README names nothing that is not there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for folder in ("overlay", "punch", "tools", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
LONGEST_FILE = 500
LONGEST_FUNCTION = 50
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_every_door_opens_only_where_it_may() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-logo"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_no_file_is_longer_than_a_person_reads() -> None:
    long = {str(path): size for path in SOURCES if (size := len(path.read_text(encoding="utf-8").splitlines())) > 500}
    assert long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        (str(path.relative_to(ROOT)), name, lines)
        for path in SOURCES
        for name, lines in functions(path)
        if lines > LONGEST_FUNCTION
    ]
    assert long == []


def test_names_say_something_and_shadow_nothing() -> None:
    names = {path: path.stem for path in SOURCES if path.stem not in ("__init__", "__main__")}
    assert [str(path) for path, name in names.items() if name in VAGUE] == []
    packaged = {path: name for path, name in names.items() if path.parts[len(ROOT.parts)] in ("overlay", "punch")}
    assert [str(path) for path, name in packaged.items() if name in sys.stdlib_module_names] == []


def test_tests_are_found_by_name_not_by_package() -> None:
    assert [str(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


def test_readme_opens_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    (python3 tools/dev\.py \w+)", readme, re.MULTILINE)
    assert commands[:2] == ["python3 tools/dev.py demo", "python3 tools/dev.py test"]


def test_readme_names_no_command_that_is_not_there() -> None:
    from overlay.cli.group import COMMANDS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    spoken = set(
        re.findall(r"`(?:sudo )?overlay ([a-z]+)", readme) + re.findall(r"^ .*overlay ([a-z]+) ", readme, re.M)
    )
    assert spoken <= set(COMMANDS), spoken - set(COMMANDS)
    assert set(COMMANDS) <= spoken
    for module in re.findall(r"python -m ([a-z.]+)", readme):
        assert find_spec(module) is not None, module
    for path in re.findall(r"`(configs/[\w./-]+)`", readme):
        assert (ROOT / path).exists(), path


def test_ci_runs_what_readme_says() -> None:
    assert "exec python3 tools/dev.py test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.slow
def test_the_wheel_holds_the_two_packages_and_the_scenes(tmp_path: Path) -> None:
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*pip, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("overlay_mesh-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"overlay", "punch"}
    assert "overlay/lab/scenarios/two-nat.toml" in names
    assert "overlay/cli/words.txt" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    entry = next(name for name in names if name.endswith("entry_points.txt"))
    assert b"overlay = overlay.cli:main" in zipfile.ZipFile(wheel).read(entry)
