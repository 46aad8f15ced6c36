"""Requests and replies as lines of JSON; what is malformed is told, never acted on.

request                              the replies to it
status                               the snapshot (contract, JSON)
leave                                {"ok": true} once the node has left
watch                                the snapshot with `changes` [{"at", "event", "peer", "text"}], anew at each change
ping   peer count interval           {"seq", "rtt_ms", "path"} each, then {"sent", "received"}
trace  peer                          {"hops": [{"name", "endpoint", "rtt_ms", "loss"}]}, the peer last
nat    again                         {"nat", "endpoints", "undecided"}; with `again` once it is measured anew
direct peer                          {"ok": true}: a person wants a direct way to it, now
wake   peer                          {"ok": true}: a person wants any way to it, now
why    peer                          {"text", "fix": [text], "attempts": [text]}, the easiest fix and the oldest first
punch  action key value peer         the snapshot's `punch`, as it is from now on
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from overlay import errors
from overlay.errors import OverlayError

Json = dict[str, Any]
"""One JSON object."""

LONGEST_REQUEST = 1 << 20
"""Bytes of a line to the node."""

LONGEST_REPLY = 64 << 20
"""Bytes of a line from the node: 4,096 peers at 1 KiB, with room."""


PUNCH_MODES = ("nat3_nat4", "nat4_nat4")
"""Keys that `punch set` takes auto, always or off for: of all peers, or of one."""

PUNCH_CEILINGS = ("max_pps", "max_entries")
"""Keys that it takes a number for, of all peers together."""


class Malformed(OverlayError):
    """A line is no request of ours."""

    code = "malformed"


class Lines:
    """Bytes as they come -> whole lines, none longer than `longest`."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._bytes = bytearray()
        self._looked = 0

    def feed(self, data: bytes) -> None:
        """Add what came.

        Raises:
            Malformed: no line ended within the bytes allowed.
        """
        self._bytes += data
        if len(self._bytes) > self._longest and b"\n" not in self._bytes[: self._longest + 1]:
            raise Malformed(f"a line is longer than {self._longest} bytes")

    def take(self) -> bytes | None:
        """The next whole line without its end; None if there is none yet."""
        end = self._bytes.find(b"\n", self._looked)
        if end < 0:
            self._looked = len(self._bytes)
            return None
        line = bytes(self._bytes[:end])
        del self._bytes[: end + 1]
        self._looked = 0
        return line


def encode(message: Json) -> bytes:
    """`message` as one line of plain ASCII."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Json:
    """The object on a line.

    Raises:
        Malformed: it holds none.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed("this line is not JSON") from None
    if not isinstance(message, dict):
        raise Malformed("this line is not a JSON object")
    return message


def request(line: bytes) -> Json:
    """The request on a line, its fields checked and defaults filled in; fields we do not know are left out.

    Raises:
        Malformed: it is none.
    """
    message = decode(line)
    do = message.get("do")
    if not isinstance(do, str) or do not in _REQUESTS:
        raise Malformed('"do" is none of ' + ", ".join(_REQUESTS))
    checked: Json = {"do": do}
    for name, (fits, default) in _REQUESTS[do].items():
        value = message.get(name, default)
        if not fits(value):
            raise Malformed(f'"{name}" is missing or out of range')
        checked[name] = value
    return checked


def error_reply(error: OverlayError) -> Json:
    """How the node says that it cannot."""
    return {"error": {"code": error.code, "text": error.text, "fix": error.fix, "exit_code": error.exit_code}}


def error_of(reply: Json) -> OverlayError | None:
    """The error that a reply tells, with its class and exit code; None if it tells none."""
    told = reply.get("error")
    if not isinstance(told, dict):
        return None
    exit_code = told.get("exit_code")
    code = exit_code if isinstance(exit_code, int) and not isinstance(exit_code, bool) else 1
    kind = _BY_EXIT_CODE.get(code, OverlayError)
    text, fix = str(told.get("text", "")), str(told.get("fix", ""))
    return kind(text, fix, code=str(told.get("code", kind.code)), exit_code=code)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000)


def _is_interval(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.01 <= value <= 3600


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_nobody_or_id(value: object) -> bool:
    return value is None or _is_id(value)


def _is_setting(value: object) -> bool:
    """A mode, a ceiling, or nothing; which fits which key is the node's to say."""
    number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000
    return value is None or value in ("auto", "always", "off") or number


def _one_of(*words: str | None) -> Callable[[object], bool]:
    return lambda value: value in words


_REQUESTS: dict[str, dict[str, tuple[Callable[[object], bool], object]]] = {
    "status": {},
    "watch": {},
    "leave": {},
    "ping": {"peer": (_is_id, None), "count": (_is_count, None), "interval": (_is_interval, 1.0)},
    "trace": {"peer": (_is_id, None)},
    "nat": {"again": (_is_truth, False)},
    "direct": {"peer": (_is_id, None)},
    "wake": {"peer": (_is_id, None)},
    "why": {"peer": (_is_id, None)},
    "punch": {
        "action": (_one_of("show", "on", "off", "set"), "show"),
        "key": (_one_of(None, *PUNCH_MODES, *PUNCH_CEILINGS), None),
        "value": (_is_setting, None),
        "peer": (_is_nobody_or_id, None),
    },
}
"""Request -> field -> (what fits, the value without it)."""

_BY_EXIT_CODE = {
    kind.exit_code: kind
    for kind in (
        errors.UsageError,
        errors.NotRunning,
        errors.NoReply,
        errors.NotPermitted,
        errors.NoSuchPeer,
        errors.AlreadyRunning,
    )
}
