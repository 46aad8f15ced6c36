"""Members on the same link: we say that we are there, and hear who else is (protocol section 10).

    0                       16                      32
    +-----------------------+-----------------------+
    | random                | mac1                  |      32 bytes, at 0, 1 and 3 s, then every 60 s
    +-----------------------+-----------------------+

Whoever does not know the network's name learns nothing from one; who sent it shows in its source alone.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest

from overlay.node import facts as told
from overlay.node.commands import SendBeacon
from overlay.node.rooms import Rooms
from overlay.paths import facts as paths
from overlay.session.layout import MAC_SIZE, mac1

SIZE = 32
FIRST = (0.0, 1.0, 3.0)
"""Seconds after the start, or after this host came to another network."""
EVERY = 60.0
MOST_HEARD = 256
"""Beacons remembered: each counts once, whatever interfaces it came by; ours count not at all."""


class Lan:
    """The part of the hall that speaks to the link."""

    def __init__(self, rooms: Rooms, keygen: Callable[[int], bytes], *, enabled: bool) -> None:
        self._rooms = rooms
        self._keygen = keygen
        self._enabled = enabled
        self._addresses: tuple[tuple[str, int, str], ...] = ()
        self._due: list[float] = []
        """When beacons are to be sent, soonest first; none: never."""
        self._heard: dict[bytes, None] = {}

    def switch(self, enabled: bool, *, now: float) -> None:
        """A person switches it on or off."""
        if enabled != self._enabled:
            self._enabled = enabled
            self._begin(now=now)

    def addresses_changed(self, fact: told.AddressesChanged, *, now: float) -> None:
        """This host is on other links, perhaps."""
        if fact.addresses != self._addresses:
            self._addresses = fact.addresses
            self._begin(now=now)

    def _begin(self, *, now: float) -> None:
        self._due = [now + after for after in FIRST] if self._enabled and self._addresses else []

    def next_timeout(self) -> float | None:
        """When the next beacon is due."""
        return self._due[0] if self._due else None

    def handle_timeout(self, *, now: float) -> None:
        """Say that we are there."""
        while self._due and self._due[0] <= now:
            last = self._due.pop(0)
            if not self._due:
                self._due.append(max(now, last + EVERY))
        nonce = self._keygen(SIZE - MAC_SIZE)
        self._remember(nonce)
        self._rooms.out.append(SendBeacon(nonce + mac1(self._rooms.setup.keys.mac_key, nonce)))

    def hear(self, fact: told.BeaconHeard, *, now: float) -> None:
        """Something came to the group."""
        nonce, mac = fact.payload[:-MAC_SIZE], fact.payload[-MAC_SIZE:]
        if not self._enabled:
            return
        if len(fact.payload) != SIZE:
            self._rooms.drop("beacon_malformed")
        elif nonce in self._heard:
            return
        elif not compare_digest(mac, mac1(self._rooms.setup.keys.mac_key, nonce)):
            self._rooms.drop("beacon_mac")
        else:
            self._remember(nonce)
            self._rooms.paths.tell(paths.BeaconHeard(fact.source), now=now)

    def _remember(self, nonce: bytes) -> None:
        self._heard[nonce] = None
        if len(self._heard) > MOST_HEARD:
            del self._heard[next(iter(self._heard))]
