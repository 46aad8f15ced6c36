from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.overlay.control.fake import FakeNode, running


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith(("OVERLAY_", "XDG_")):
            monkeypatch.delenv(name)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    """A fake node that all commands find."""
    with running(FakeNode(tmp_path / "home.sock")) as fake:
        monkeypatch.setenv("OVERLAY_SOCKET", str(fake.path))
        yield fake
