"""Addresses a person gave or disk remembers, tried until somebody answers there.

due --Resolve--> resolving --Resolved--> dialling --SessionUp--> held --SessionDown--> due
                     \\--error--> due later          \\--DialEnded--> due later
"""

from __future__ import annotations

from collections.abc import Iterable

from overlay.values import NodeId
from punch.values import Endpoint

FIRST_RETRY = 1.0
"""Seconds until an address that failed is tried again; doubles."""
LAST_RETRY = 60.0
MOST_ENDPOINTS = 12
"""Endpoints of one name or record that are dialled (protocol section 5)."""


class Dial:
    """One address."""

    __slots__ = ("address", "endpoints", "failure", "holder", "open", "remembered", "tries")

    def __init__(self, address: str, *, remembered: bool) -> None:
        self.address = address
        self.remembered = remembered
        """Known from disk: tried again only while nobody else answers."""
        self.endpoints: tuple[Endpoint, ...] = ()
        self.open: list[Endpoint] = []
        """Dialled now and not ended."""
        self.holder: NodeId | None = None
        """Who answered there."""
        self.failure = "no answer yet"
        self.tries = 0

    def retry_wait(self) -> float:
        """Seconds until the next try; counts it."""
        wait: float = min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(self.tries, 8))
        self.tries += 1
        return wait


class Dials:
    """All of them."""

    def __init__(self) -> None:
        self._dials: dict[str, Dial] = {}

    def give(self, addresses: Iterable[str], *, remembered: bool) -> list[Dial]:
        """Take addresses to dial; returns those that are new."""
        new: list[Dial] = []
        for address in addresses:
            if address not in self._dials:
                self._dials[address] = Dial(address, remembered=remembered)
                new.append(self._dials[address])
        return new

    def keep_given(self, addresses: Iterable[str]) -> None:
        """Forget given addresses that a person took back."""
        wanted = list(addresses)
        for address in [key for key, dial in self._dials.items() if not dial.remembered and key not in wanted]:
            del self._dials[address]

    def get(self, address: str) -> Dial | None:
        """The dial of `address`."""
        return self._dials.get(address)

    def at(self, endpoint: Endpoint) -> list[Dial]:
        """Dials under way to `endpoint`."""
        return [dial for dial in self._dials.values() if endpoint in dial.endpoints]

    def lost(self, peer: NodeId, *, all_of_them: bool = False) -> list[Dial]:
        """The dials whose holder `peer` was: due again. `all_of_them`: nobody else is a holder any more either."""
        held = [dial for dial in self._dials.values() if dial.holder is not None]
        freed = [dial for dial in held if all_of_them or dial.holder == peer]
        for dial in freed:
            dial.holder = None
            dial.tries = 0
        return freed

    def free(self) -> list[Dial]:
        """Dials that nobody holds."""
        return [dial for dial in self._dials.values() if dial.holder is None]

    def tried(self) -> tuple[str, ...]:
        """What was tried, with what is known of each, for people."""
        return tuple(f"{dial.address} ({dial.failure})" for dial in self._dials.values() if dial.holder is None)

    def __bool__(self) -> bool:
        return bool(self._dials)
