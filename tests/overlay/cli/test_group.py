from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from overlay import __version__
from overlay.cli import main
from overlay.cli.group import COMMANDS, overlay

Capture = pytest.CaptureFixture[str]


def all_commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = overlay.get_command(click.Context(overlay), name)
        assert command is not None
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, below) for below in command.list_commands(click.Context(command))]
    return found


@pytest.mark.parametrize("words", [(), *all_commands()], ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(overlay, [*words, "--help"])
    assert result.exit_code == 0
    assert "Example: " in result.output
    assert all(len(line) <= 100 for line in result.output.splitlines())


def test_the_table_lists_the_commands_of_the_contract() -> None:
    contract = "join leave status ping trace nat why punch ip wait config secret demo"
    assert list(COMMANDS) == contract.split()
    output = CliRunner().invoke(overlay, ["--help"]).output
    assert all(f"  {name} " in output for name in COMMANDS)


def test_the_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"overlay {__version__}\n"


@pytest.mark.parametrize("words", [[], ["secret"], ["config"]])
def test_without_a_command_there_is_help_and_exit_2(words: list[str], capsys: Capture) -> None:
    assert main(words) == 2
    assert "Commands:" in capsys.readouterr().out


def test_a_slip_is_met_with_the_nearest_name(capsys: Capture) -> None:
    assert main(["statsu"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "did you mean status?" in err


SLOW = {"rich", "anyio", "asyncio", "msgspec", "overlay.node", "overlay.shell", "logging", "tomllib", "hashlib"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["status"], ["ip"], ["ping", "x"]])
def test_nothing_slow_is_imported_for_quick_commands(words: list[str]) -> None:
    code = (
        "import sys; from overlay.cli import main; main(sys.argv[1:]);"
        "print('\\n', *[name for name in sys.modules], file=sys.stderr)"
    )
    argv = [sys.executable, "-c", code, *words]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert SLOW.isdisjoint(done.stderr.splitlines()[-1].split())


def test_the_module_runs_like_the_command() -> None:
    argv = [sys.executable, "-m", "overlay", "--version"]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == f"overlay {__version__}\n"
