"""Who holds which overlay address, and which one we take (protocol sections 1 and 8).

first claim ----> bound to that id     a later rival claim is noted, not obeyed
bound  --holder signs another, leaves, or is silent 10 min beside a rival-->  bound to the next claimant, or free
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from itertools import islice

from overlay.identity import digest, ipv4_candidate
from overlay.values import NodeId

SILENT = 600.0
"""Seconds without a word after which the holder of an address gives way to a rival."""


class Bindings:
    """Address (text) -> the ids that claim it, the holder first."""

    def __init__(self) -> None:
        self._claims: dict[str, list[NodeId]] = {}
        self._of: dict[NodeId, tuple[str, ...]] = {}
        self._rivalled: dict[str, None] = {}
        self._changed: dict[str, NodeId | None] = {}

    def holder(self, address: str) -> NodeId | None:
        """Whose packets may come from `address`."""
        claims = self._claims.get(address)
        return claims[0] if claims else None

    def claim(self, node: NodeId, addresses: tuple[str, ...], *, take: bool = False) -> None:
        """`node` signs exactly these now. `take`: it holds them whoever was first (our own: packets to us are ours)."""
        before = self._of.get(node, ())
        self._of[node] = addresses
        for address in before:
            if address not in addresses:
                self._withdraw(node, address)
        for address in addresses:
            if address not in before:
                self._add(node, address, take)

    def release(self, node: NodeId) -> None:
        """`node` left or expired."""
        self.claim(node, ())
        del self._of[node]

    def rivals(self, limit: int | None = None) -> list[tuple[str, list[NodeId]]]:
        """Addresses that several ids claim, with the holder first; the `limit` oldest of them."""
        return [(address, list(self._claims[address])) for address in islice(self._rivalled, limit)]

    def hand_over(self, address: str, node: NodeId) -> None:
        """The holder fell silent: `node`, a rival, holds `address`."""
        self._note(address)
        self._claims[address].remove(node)
        self._claims[address].insert(0, node)

    def held(self) -> dict[str, None]:
        """Every address that somebody claims."""
        return dict.fromkeys(self._claims)

    def changes(self) -> Iterator[tuple[str, NodeId | None, NodeId | None]]:
        """Drain (address, holder when last drained, holder now)."""
        changed, self._changed = self._changed, {}
        for address, before in changed.items():
            if (after := self.holder(address)) != before:
                yield address, before, after

    def _note(self, address: str) -> None:
        self._changed.setdefault(address, self.holder(address))

    def _add(self, node: NodeId, address: str, take: bool) -> None:
        self._note(address)
        claims = self._claims.setdefault(address, [])
        claims.insert(0 if take else len(claims), node)
        if len(claims) > 1:
            self._rivalled[address] = None

    def _withdraw(self, node: NodeId, address: str) -> None:
        self._note(address)
        claims = self._claims[address]
        claims.remove(node)
        if len(claims) == 1:
            del self._rivalled[address]
        elif not claims:
            del self._claims[address]


def choose_ipv4(network: str, node: NodeId, held: Callable[[str], bool]) -> str:
    """The first address of `node`'s row that nobody holds; .0.0 and .255.255 count as held.

    A member that invents ids can claim a whole row of 256; then the next free address behind it is taken.
    """
    for k in range(256):
        address = ipv4_candidate(network, node, k)
        if usable_host(address) and not held(address):
            return address
    base = int(ipaddress.IPv4Address(ipv4_candidate(network, node, 0)))
    for step in range(1, 0x10000):
        address = str(ipaddress.IPv4Address(base & ~0xFFFF | base + step & 0xFFFF))
        if usable_host(address) and not held(address):
            return address
    raise AssertionError("4,096 records at most claim 65,534 addresses")


def usable_host(address: str) -> bool:
    """False for the network's and the broadcast address of a /16."""
    return int(ipaddress.IPv4Address(address)) & 0xFFFF not in (0, 0xFFFF)


def must_move(ours: tuple[NodeId, bool], theirs: tuple[NodeId, bool], address: str) -> bool:
    """Whether we give up `address` to a rival; each side is (id, given with --ip).

    Of two derived ones the larger H(clash, id, address) moves, a derived one gives way to a given one, and of two
    given ones nobody moves: their people must.
    """
    (own, own_fixed), (rival, rival_fixed) = ours, theirs
    if own_fixed or rival_fixed:
        return not own_fixed
    return _clash(own, address) > _clash(rival, address)


def _clash(node: NodeId, address: str) -> bytes:
    return digest("clash", node, ipaddress.IPv4Address(address).packed)
