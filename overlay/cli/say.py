"""What `join` says: a line when it is up, then a line a change of state, as text or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TextIO

from overlay.logs import clean


class Speaker:
    """Speaks on stdout; a reader that went away stops the words, not the node."""

    def __init__(self, *, as_json: bool, stamped: bool, up: Callable[[str], None] | None = None) -> None:
        """`stamped` puts date and time before each line of text; `up` gets the line of `announce` too."""
        self._as_json = as_json
        self._stamped = stamped
        self._up = up
        self._stream: TextIO | None = sys.stdout

    def say(self, event: str, text: str, peer: str | None = None) -> None:
        """One change of state."""
        self._line({"event": event, "peer": peer, "text": text}, text)

    def announce(self, up: dict[str, object]) -> None:
        """Device and addresses are there (see `overlay.config.launch.Announce`)."""
        addresses = " ".join(str(up[key]) for key in ("ipv4", "ipv6") if up.get(key))
        device = f" on {up['dev']}" if up.get("dev") else ""
        text = f"up: {up.get('name')} {addresses}{device}, UDP {up.get('port')}"
        line = self._line({"event": "up", "peer": None, "text": text, **up}, text)
        if self._up:
            self._up(line)

    def _line(self, fields: dict[str, object], text: str) -> str:
        at = datetime.now().astimezone().isoformat(timespec="milliseconds")
        plain = clean(text)
        line = json.dumps({"at": at, **fields}) if self._as_json else plain
        if self._stream:
            try:
                print(f"{at} {line}" if self._stamped and not self._as_json else line, file=self._stream, flush=True)
            except (OSError, ValueError):
                self._stream = None
        return line
