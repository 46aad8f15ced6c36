"""What goes wrong on this host, in words for its person.

Local mistakes are raised; remote faults never are: those become counted drops with a reason.
"""

from __future__ import annotations


class OverlayError(Exception):
    """Something went wrong that the person at this host can mend."""

    exit_code = 1
    code = "failed"

    def __init__(self, text: str, fix: str = "", *, code: str | None = None, exit_code: int | None = None) -> None:
        """`text` says what is wrong and where, `fix` what to do; `code` is the fixed word in JSON."""
        super().__init__(text)
        self.text = text
        self.fix = fix
        if code is not None:
            self.code = code
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(OverlayError):
    """The command line or the config is wrong."""

    exit_code = 2
    code = "usage"


class NotRunning(OverlayError):
    """No node of ours is running."""

    exit_code = 3
    code = "not_running"


class NoReply(OverlayError):
    """No reply, or no direct path, came in time."""

    exit_code = 4
    code = "no_reply"


class NotPermitted(OverlayError):
    """This user may not do that; the fix names the command that grants it."""

    exit_code = 5
    code = "no_permission"


class NoSuchPeer(OverlayError):
    """The peer named is unknown or ambiguous; candidates are listed."""

    exit_code = 6
    code = "no_such_peer"


class AlreadyRunning(OverlayError):
    """A node of this network runs here already."""

    exit_code = 7
    code = "already_running"
