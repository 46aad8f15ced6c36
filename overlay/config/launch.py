"""What `join` hands to the shell: settings, secret, places, and how to speak to the person who started it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from overlay.config.schema import Config

Say = Callable[[str, str, str | None], None]
"""`say(event, text, peer)`: one line a change of state; `event` is a fixed word, `text` for people, `peer` a name."""

Announce = Callable[[dict[str, object]], None]
"""`announce(up)`: device and addresses are there. Says the line of `up`, and lets the parent of `-d` go.

`up` has name, ipv4 and port; ipv6 and dev where there are any.
"""


class Launch(Struct, frozen=True, kw_only=True):
    """One `overlay join`, everything read and checked; from here on keys may be made."""

    config: Config
    secret: str
    """As given; `overlay.identity.secret_bytes` drops one last newline and makes it NFC."""
    state_dir: Path
    """Made, 0700, ours alone, and locked until this process ends."""
    socket_path: Path
    detach: bool
    """This process is the child of `-d`: forked already, its stdout and stderr in `log` of the state folder."""
    verbose: int
    """How many -v."""
    json: bool
    reload: Callable[[], Config]
    """For SIGHUP: the same sources once more. Raises UsageError with every fault; the old settings stay then."""
    say: Say
    announce: Announce
    port_asked: bool
    """A person named the port: it does not give way when it is in use."""
    stretched: Callable[[], bytes] | None = None
    """Waits for the stretched secret, which is being made; None: nobody began."""
    debug_keys: Path | None = None
    """Where session and data keys are written as they are made, for the dissector; None: nowhere, as it should be."""
