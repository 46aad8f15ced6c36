"""One TCP stream of iperf3 between two hosts, looked at every 100 ms where it arrives."""

from __future__ import annotations

import itertools
import json
from typing import Any

from overlay.errors import OverlayError
from overlay.lab import Lab

LOOK = 0.1
"""Seconds between two looks of the receiver."""
Report = dict[str, Any]
"""What `iperf3 -J` says at the receiver's end."""

_PORTS = itertools.count(5301)
"""A port of its own for each: the last one's lingers."""


class Stream:
    """A stream under way."""

    def __init__(
        self, lab: Lab, to: str, *, seconds: float, ways: tuple[str, str] = ("anna", "ben"), **more: str
    ) -> None:
        """Start one from `ways[0]` to address `to` on `ways[1]`; `more`: iperf3's one-letter options, `C="cubic"`.

        Raises:
            OverlayError: the receiver does not listen.
        """
        sender, receiver = ways
        self._port = str(next(_PORTS))
        options = [word for letter, value in more.items() for word in (f"-{letter}", value)]
        self._seconds = seconds
        server = ["iperf3", "-s", "-1", "-B", to, "-p", self._port, "-i", str(LOOK), "-J"]
        self.server = lab.spawn(receiver, server)
        script = f"until ss -Hltn 'sport = :{self._port}' | grep -q .; do sleep 0.02; done"
        lab.run(receiver, ["sh", "-c", script], timeout=5)
        client = ["iperf3", "-c", to, "-p", self._port, "-t", f"{seconds:g}", "-J", "--connect-timeout", "5000"]
        self.client = lab.spawn(sender, [*client, *options])

    def report(self, *, patience: float = 20.0) -> Report:
        """What arrived, once it is over.

        Raises:
            OverlayError: it did not get to its end.
        """
        self.client.wait(timeout=self._seconds + patience)
        self.server.wait(timeout=patience)
        told: Report = json.loads(self.server.out or "{}")
        if not told.get("intervals") or "error" in told:
            raise OverlayError(f"the stream broke: {told.get('error', self.client.out[-300:])}")
        return told


def longest_silence(report: Report) -> float:
    """Seconds of the longest run of looks in which nothing arrived."""
    longest = lasts = 0.0
    for interval in report["intervals"]:
        look = interval["sum"]
        lasts = 0.0 if look["bytes"] else lasts + look["seconds"]
        longest = max(longest, lasts)
    return longest


def mbit(report: Report, *, after: float = 2.0) -> float:
    """Mbit/s that arrived, the first `after` seconds left out."""
    looks = [interval["sum"] for interval in report["intervals"] if interval["sum"]["start"] >= after]
    took = sum(look["seconds"] for look in looks)
    return float(sum(look["bytes"] for look in looks)) * 8e-6 / took if took else 0.0
