"""`overlay join`: everything read and checked, then the shell runs the node."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import Any

import click
from msgspec import structs

from overlay.cli.argv import hide
from overlay.cli.detach import Report, detach
from overlay.cli.outcome import clean_lines
from overlay.cli.phrase import slip, weakness
from overlay.cli.say import Speaker
from overlay.cli.settings import setting_options, sources
from overlay.cli.terminal import Pen
from overlay.config import paths
from overlay.config.launch import Launch
from overlay.config.loader import Loaded, Sources, load
from overlay.config.schema import Config
from overlay.config.secret import read_secret, readable_by_others
from overlay.control import client
from overlay.errors import AlreadyRunning, OverlayError, UsageError


@click.command(epilog="Example: overlay join -n home -p vps.example.org --name laptop")
@setting_options
@click.option("--state-dir", metavar="DIR", envvar="OVERLAY_STATE_DIR", help="Folder of identity and memory.")
@click.option("--socket", metavar="PATH", envvar="OVERLAY_SOCKET", help="Control socket.")
@click.option("-d", "--detach", "in_background", is_flag=True, envvar="OVERLAY_DETACH", help="Return once it is up.")
@click.option(
    "--debug-keys", metavar="FILE", help="Write every key to FILE (0600), for tools.dissect; for debugging only."
)
@click.option("-v", "verbose", count=True, help="Tell more; -vv everything.")
@click.option("--json", "as_json", is_flag=True, envvar="OVERLAY_JSON", help="One object a change of state.")
def join(
    state_dir: str | None,
    socket: str | None,
    in_background: bool,
    debug_keys: str | None,
    verbose: int,
    as_json: bool,
    **said: Any,
) -> int:
    """Join a network: all devices that share its name and secret are one private network.

    The secret comes from -s, --secret-file, OVERLAY_SECRET or the config; else it is asked for.

    --debug-keys FILE writes the keys of every session as they are made. Whoever has that file and a capture can read
    all that this node said and heard meanwhile: use it on networks made for debugging, and delete the file. It has no
    key in the config and no variable, so nothing but this flag can switch it on.
    """
    hidden = said["secret"] is None or hide(said["secret"])
    given = sources(said)
    loaded = load(given)
    config = loaded.check()
    state, control = _places(config, given, state_dir, socket)
    secret = _secret(config)
    paths.secure_folder(state)
    for warning in _warnings(loaded, secret, hidden=hidden):
        _warn(warning)
    if debug_keys:
        _warn(_OPEN_BOOK.format(debug_keys))
    held = paths.hold(state)
    report = detach(state / "log") if in_background else None
    if isinstance(report, str):
        os.close(held)
        print(report)
        return 0
    speaker = Speaker(as_json=as_json, stamped=in_background, up=report.up if report else None)
    launch = Launch(
        config=config,
        secret=secret,
        state_dir=state,
        socket_path=control,
        detach=in_background,
        verbose=verbose,
        json=as_json,
        reload=_reload(given),
        say=speaker.say,
        announce=speaker.announce,
        debug_keys=Path(debug_keys).absolute() if debug_keys else None,
        port_asked=loaded.origins["node.port"] != "default",
    )
    return _run(launch, report)


_OPEN_BOOK = """\
EVERY KEY OF THIS NODE IS WRITTEN TO {}: whoever has that file and a capture
reads all that is said from now on. End the node and delete the file when the debugging is done."""


def _places(config: Config, given: Sources, state_dir: str | None, socket: str | None) -> tuple[Path, Path]:
    """State folder and socket; both absolute.

    Raises:
        UsageError: no network is named.
        AlreadyRunning: a node of this network listens where one of ours would.
    """
    if not config.network:
        raise UsageError("no network is named", "give -n NAME, or network = ... in the config", code="no_network")
    default = paths.socket_path(config.network, given.environ, given.uid)
    control = Path(socket).absolute() if socket else default
    rivals = (
        [control] if socket else [folder / default.name for folder in paths.socket_folders(given.environ, given.uid)]
    )
    for rival in rivals:
        if client.look(rival) == client.LIVE:
            raise AlreadyRunning(
                f"a node of network {config.network} is running (its socket is {rival})",
                "overlay status shows it, overlay leave ends it",
            )
    state = Path(state_dir).absolute() if state_dir else paths.state_dir(config.network, given.environ, given.uid)
    return state, control


def _secret(config: Config) -> str:
    """The secret; asked for only where somebody can answer. Children of ours have no need of the variable."""

    def ask() -> str:
        try:
            return getpass(f"Secret of network {config.network}: ", sys.stderr)
        except EOFError:
            return ""

    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    secret = read_secret(config, stdin=sys.stdin.buffer, ask=ask if can_ask else None)
    os.environ.pop("OVERLAY_SECRET", None)
    return secret


def _warnings(loaded: Loaded, secret: str, *, hidden: bool) -> list[str]:
    warnings = list(loaded.hints)
    if not hidden:
        warnings.append("the secret could not be hidden from ps; use --secret-file or OVERLAY_SECRET")
    if readable_by_others(loaded.config):
        warnings.append(f"everybody here can read the secret: chmod 600 {loaded.config.secret_file}")
    warnings += [found for found in (weakness(secret), slip(secret)) if found]
    return warnings


def _warn(text: str) -> None:
    print(f"{Pen.of(sys.stderr)('warning:', 'yellow')} {clean_lines(text)}", file=sys.stderr)


def _reload(given: Sources) -> Callable[[], Config]:
    return lambda: load(given).check()


def _run(launch: Launch, report: Report | None) -> int:
    """Run the node; what keeps it from coming up goes to the parent of `-d` too."""
    from overlay.shell.stretching import Stretching

    # In its thread while the shell is imported: each takes as long as the other.
    stretching = Stretching(launch.config.network, launch.secret)
    launch = structs.replace(launch, stretched=stretching.result)

    from overlay import logs
    from overlay.shell.run import main

    logs.setup(launch.verbose, stamped=launch.detach)
    try:
        return main(launch)
    except (OverlayError, ExceptionGroup) as raised:
        error = _told_by(raised)
        if error is None:
            raise
        if report:
            report.failed(error)
        raise error from None


def _told_by(raised: BaseException) -> OverlayError | None:
    """The error meant for people: `raised` itself, or the first in a group that tasks raised together."""
    if isinstance(raised, BaseExceptionGroup):
        return next((found for inner in raised.exceptions if (found := _told_by(inner))), None)
    return raised if isinstance(raised, OverlayError) else None
