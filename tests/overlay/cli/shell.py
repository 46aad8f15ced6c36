"""`overlay join` with a shell that only tells what it was handed: the real one needs a device and a network."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

NAME = "overlay.shell.run"

RUN = f"""
import sys, types
shell = types.ModuleType({NAME!r})
sys.modules[{NAME!r}] = shell
exec(sys.argv.pop(1), shell.__dict__)
from overlay.cli import main
sys.exit(main())
"""


def join_argv(shell: str, *words: str) -> list[str]:
    """A process that runs `overlay join WORDS`; `shell` is the source of `main(launch)`."""
    return [sys.executable, "-c", RUN, shell, "join", *words]


@contextmanager
def shell_is(main: Any) -> Iterator[None]:
    """In this process, `overlay.shell.run.main` is `main`."""
    before = sys.modules.get(NAME)
    module = ModuleType(NAME)
    module.__dict__["main"] = main
    sys.modules[NAME] = module
    try:
        yield
    finally:
        del sys.modules[NAME]
        if before:
            sys.modules[NAME] = before


def environ(**more: str) -> dict[str, str]:
    """This process's environment and more."""
    return {**os.environ, **more}
