"""How a command ends: exit code, and what went wrong as text for people or JSON for programs."""

from __future__ import annotations

import errno
import json
import os
import sys

import click

from overlay.cli.group import overlay
from overlay.cli.terminal import Pen
from overlay.errors import OverlayError, UsageError
from overlay.logs import clean

INTERRUPTED = 130
"""128 + SIGINT, as shells say it."""
PIPE_CLOSED = 141
"""128 + SIGPIPE."""


def run(arguments: list[str] | None = None) -> int:
    """Run `overlay ARGUMENTS`; returns the exit code, everything said."""
    said = sys.argv[1:] if arguments is None else arguments
    try:
        code = _invoke(said)
        sys.stdout.flush()
    except OverlayError as error:
        code = _tell(error, as_json=_wants_json(said))
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        code = PIPE_CLOSED
    except Exception as error:
        code = _tell(_unexpected(error), as_json=_wants_json(said))
    _forget_closed_pipe()
    return code


def _invoke(arguments: list[str]) -> int:
    """Click's `main` without its own idea of closed pipes and errors."""
    if sys.stdout is None:  # started with stdout closed
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with overlay.make_context("overlay", list(arguments)) as context:
            context.obj = tuple(arguments)
            result = overlay.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        context_of = getattr(error, "ctx", None)
        fix = f"see {context_of.command_path} --help" if context_of else "see overlay --help"
        raise UsageError(error.format_message(), fix) from None
    return result if isinstance(result, int) else 0


def _unexpected(error: Exception) -> OverlayError:
    """A full disk under stdout is its person's, all else ours: then the traceback is shown too."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return OverlayError(f"the output cannot be written: {error.strerror}", "make room", code="no_space")
    sys.excepthook(type(error), error, error.__traceback__)
    return OverlayError(f"this is a fault of ours: {error!r}", code="internal")


def _wants_json(arguments: list[str]) -> bool:
    """True if JSON was asked for; also where the command line could not be parsed."""
    return "--json" in arguments or os.environ.get("OVERLAY_JSON", "").lower() in ("1", "true", "on", "yes")


def _tell(error: OverlayError, *, as_json: bool) -> int:
    if as_json:
        try:
            print(json.dumps(error_object(error)), flush=True)
        except BrokenPipeError:
            return error.exit_code
    else:
        pen = Pen.of(sys.stderr)
        print(f"{pen('overlay:', 'red')} {clean_lines(error.text)}", file=sys.stderr)
        if error.fix:
            print(f"  {pen('fix:', 'bold')} {clean_lines(error.fix)}", file=sys.stderr)
    return error.exit_code


def error_object(error: OverlayError) -> dict[str, object]:
    """What `--json` prints of a failure."""
    return {"schema": 1, "error": {"code": error.code, "text": error.text, "fix": error.fix}}


def clean_lines(text: str) -> str:
    """`text` with its lines kept and nothing else that could steer a terminal."""
    return "\n".join(clean(line) for line in text.split("\n"))


def _forget_closed_pipe() -> None:
    """Keep the interpreter from complaining, at its end, about output that nobody reads or that has no room."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
