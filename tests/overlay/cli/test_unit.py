"""The systemd unit runs commands that are there."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from overlay.cli.join import join
from overlay.errors import AlreadyRunning, NotPermitted, UsageError

UNIT = Path(__file__).parents[3] / "configs/systemd/overlay@.service"


def setting(name: str) -> str:
    (found,) = [line for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")]
    return found.partition("=")[2]


def test_what_it_starts_is_a_join_as_click_takes_it() -> None:
    program, command, *words = shlex.split(setting("ExecStart"))
    assert (Path(program).name, command) == ("overlay", "join")
    context = join.make_context("join", [word.replace("%i", "home") for word in words])
    assert isinstance(context, click.Context)
    assert context.params["network"] == "home"
    assert context.params["in_background"] is False


def test_it_does_not_try_again_what_cannot_get_better() -> None:
    codes = {str(kind.exit_code) for kind in (UsageError, NotPermitted, AlreadyRunning)}
    assert set(setting("RestartPreventExitStatus").split()) == codes


def test_it_keeps_only_the_right_to_make_its_device() -> None:
    assert setting("CapabilityBoundingSet") == "CAP_NET_ADMIN"
    assert setting("DeviceAllow") == "/dev/net/tun rw"
