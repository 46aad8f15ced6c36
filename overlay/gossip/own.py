"""Our own record: what is to be said of us, and what was last signed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from overlay.config.names import is_label
from overlay.errors import UsageError
from overlay.gossip.addresses import choose_ipv4
from overlay.gossip.events import AddressClaimed, OwnRecordIssued
from overlay.gossip.pace import Pace
from overlay.gossip.record import Record, RecordEndpoint, RecordLink
from overlay.gossip.records import MAX_ENDPOINTS, MAX_LINKS, MAX_SEQUENCE, is_member_address, sign
from overlay.identity import Identity, NetworkKeys, ipv4_prefix, ipv6_address
from overlay.values import NodeId

ISSUE_BURST = 10
"""Records of ours at once: endpoints, address, links and mapped endpoints all come in a node's first second .."""
ISSUE_EVERY = 10.0
""".. and one in so many seconds from then on; changes meanwhile go into the next."""

LINKS_EVERY = 30.0
"""Seconds between two changes of our links, but for one that is lost, and for those there was room for."""


class OwnRecord:
    """Says the newest of us; `record` and `signed` are what others may have."""

    def __init__(
        self,
        identity: Identity,
        network: NetworkKeys,
        *,
        name: str,
        ipv4: str,
        fixed: bool,
        version: str,
        relay: bool,
        boot: bytes,
        sequence: int,
    ) -> None:
        """Sign the first record, above `sequence`.

        Raises:
            UsageError: `name` is no DNS label, or a fixed `ipv4` is not of this network.
        """
        _check(name, ipv4 if fixed else None, network.name)
        self._identity = identity
        self._network = network
        self._pace = Pace(ISSUE_BURST, ISSUE_EVERY)
        self._above = sequence
        self._links: tuple[RecordLink, ...] = ()
        """Our links as last told."""
        self._links_at = float("-inf")
        self._events: list[OwnRecordIssued | AddressClaimed] = []
        self._next = Record(
            id=identity.id,
            sequence=0,
            boot=boot,
            name=name,
            ipv4="",
            ipv4_fixed=fixed,
            ipv6=ipv6_address(network.name, identity.id),
            endpoints=(),
            nat="unknown",
            links=(),
            relay=relay,
            version=version,
        )
        if is_member_address(ipv4, network.name):
            self.take(ipv4)
        self.issue()

    @property
    def id(self) -> NodeId:
        """Ours."""
        return self._identity.id

    @property
    def ipv4(self) -> str:
        """The address we hold, said already or not; empty while there is none."""
        return self._next.ipv4

    @property
    def addresses(self) -> tuple[str, ...]:
        """All overlay addresses we hold."""
        return (self.ipv4, self._next.ipv6) if self.ipv4 else (self._next.ipv6,)

    @property
    def outdated(self) -> bool:
        """What was signed is not what is to be said, or somebody holds a later one of ours."""
        return self._next != self.record or self.record.sequence <= self._above < MAX_SEQUENCE

    def due(self, *, now: float) -> float:
        """When the next record may be issued."""
        return self._pace.at(now=now)

    def describe(
        self,
        endpoints: tuple[RecordEndpoint, ...],
        links: tuple[RecordLink, ...],
        *,
        relay: bool,
        nat: str,
        now: float,
    ) -> None:
        """What is to be said from now on; only the first 12 endpoints and 8 links find room."""
        self._links = links[:MAX_LINKS]
        self._next = msgspec.structs.replace(self._next, endpoints=endpoints[:MAX_ENDPOINTS], relay=relay, nat=nat)
        self.relink(now=now)

    def relink(self, *, now: float) -> None:
        """Say our links of now, unless that must wait."""
        if self._links != self._next.links and self.links_due(now=now) is None:
            self._next = msgspec.structs.replace(self._next, links=self._links)
            self._links_at = now

    def links_due(self, *, now: float) -> float | None:
        """When links that must wait may be said: costs swing, and of many neighbours now one is among the best, now
        another. None: nothing waits."""
        before, after = self._next.links, self._links
        at = self._links_at + LINKS_EVERY
        if before == after or now >= at:
            return None
        nodes = {link.node for link in after}
        lost = len(after) < MAX_LINKS and any(link.node not in nodes for link in before)
        return None if lost or len(after) > len(before) else at

    def outbid(self, sequence: int) -> None:
        """A record of ours with this sequence is about, from before a crash perhaps: the next goes above it."""
        self._above = max(self._above, sequence)

    def choose(self, held: dict[str, None], why: str) -> None:
        """Take the first derived address that is not `held`."""
        self.take(choose_ipv4(self._network.name, self.id, held.__contains__), why)

    def take(self, ipv4: str, why: str = "") -> None:
        """Hold `ipv4` from now on; `why` not the one before."""
        self._next = msgspec.structs.replace(self._next, ipv4=ipv4)
        self._events.append(AddressClaimed(ipv4, self._next.ipv6, why))

    def issue(self) -> None:
        """Sign what is to be said, under the next sequence."""
        sequence = min(max(self._above, self._next.sequence) + 1, MAX_SEQUENCE)
        self.record = self._next = msgspec.structs.replace(self._next, sequence=sequence)
        self.signed = sign(self.record, self._identity, self._network.name)
        self._events.append(OwnRecordIssued(self.record, self.signed))

    def leave(self) -> None:
        """Sign the last record of this run: who we are, and that we go."""
        self._next = msgspec.structs.replace(self._next, endpoints=(), links=(), left=True)
        self.issue()

    def events(self) -> Iterator[OwnRecordIssued | AddressClaimed]:
        """Drain what happened."""
        events, self._events = self._events, []
        yield from events


def _check(name: str, fixed: str | None, network: str) -> None:
    """Whether a person's wishes for name and address can be met; UsageError if not."""
    if not is_label(name):
        raise UsageError(
            f"{name!r} is not a name a device can have", "use 1 to 63 letters, digits and inner hyphens (--name)"
        )
    if fixed is not None and not is_member_address(fixed, network):
        raise UsageError(
            f"{fixed} is not an address of network {network}", f"choose one inside {ipv4_prefix(network)} (--ip)"
        )
