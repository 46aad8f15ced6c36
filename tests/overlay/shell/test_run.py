"""What `join` survives while it runs."""

import asyncio
import logging
import random
from pathlib import Path
from typing import Any, cast

import pytest

from overlay.config.launch import Launch
from overlay.config.schema import Config
from overlay.errors import NotPermitted, OverlayError, UsageError
from overlay.shell import run
from overlay.shell.run import _Run


@pytest.mark.parametrize(
    "error",
    [UsageError("4 faults in the settings"), NotPermitted("the config may not be read"), OverlayError("no disk")],
)
def test_a_config_that_cannot_be_reread_changes_nothing(
    error: OverlayError, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def reload() -> Config:
        raise error

    said: list[str] = []
    launch = Launch(
        config=Config(network="home"),
        secret="x",
        state_dir=tmp_path,
        socket_path=tmp_path / "s.sock",
        detach=False,
        verbose=0,
        json=False,
        reload=reload,
        say=lambda event, text, peer: said.append(event),
        announce=lambda up: None,
        port_asked=False,
    )
    with caplog.at_level(logging.WARNING, "overlay"):
        asyncio.run(_Run(launch)._reload())
    assert error.text in caplog.text
    assert said == []


def test_a_live_node_rolls_the_dice_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(run, "Node", lambda setup, **handed: made.update(handed))
    run._new_node(cast(Any, None))
    assert isinstance(made["entropy"], random.SystemRandom)
