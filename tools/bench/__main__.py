"""`python -m tools.bench dataplane | punch | mesh`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from overlay.errors import OverlayError
from tools.bench import __doc__ as overview
from tools.bench import dataplane, mesh, punch

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "dataplane": dataplane.main,
    "punch": punch.main,
    "mesh": mesh.main,
}
"""The benches there are."""


def run(argv: list[str]) -> int:
    """Run one bench; returns the exit code."""
    if not argv or argv[0] not in COMMANDS:
        print(overview)
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    try:
        return COMMANDS[argv[0]](argv[1:])
    except OverlayError as error:
        print(f"{error.text}\n{error.fix}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
