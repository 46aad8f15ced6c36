"""Packets in, packets out: which NAT a packet meets, and in which direction.

to a public address --> inward     else --> outward     outward to a public address --> inward at once (hairpin)
"""

from __future__ import annotations

import ipaddress
import random
from collections import Counter

from msgspec import structs

from overlay.lab.entries import Entries, UserspaceNat
from punch.sim import Datagram, Nat
from punch.values import Endpoint
from tools.natlab.packets import ICMP, TCP, UDP, Seen, look, refusal, replace

TCP_UNREPLIED, TCP_REPLIED = 120.0, 7440.0
"""nf_conntrack_tcp_timeout_syn_sent; RFC 5382, REQ-5."""

MOST_HOSTS = 4096
"""Hosts remembered to be inside or not."""


class Translator:
    """The NAT of one router, with time and dice as arguments."""

    def __init__(self, told: UserspaceNat) -> None:
        dice = random.Random(told.seed)
        tcp = structs.replace(told.model, unreplied=TCP_UNREPLIED, replied=TCP_REPLIED, foreign=0.0, udp=True)
        echo = structs.replace(tcp, unreplied=30.0, replied=30.0, low=1, mapping="eim", allocator="preserving")
        self.udp = Nat(told.model, *told.addresses, entropy=dice)
        self._nats = {
            UDP: self.udp,
            TCP: Nat(tcp, *told.addresses, entropy=random.Random(f"{told.seed}/tcp")),
            ICMP: Nat(echo, *told.addresses, entropy=random.Random(f"{told.seed}/echo")),
        }
        self._public = told.addresses
        self._inside = [ipaddress.ip_network(prefix) for prefix in told.inside]
        self._seen_hosts: dict[str, bool] = {}
        self._rejects = told.model.input == "reject"
        self.drops: Counter[str] = Counter()
        """Packets no NAT saw: not_translatable."""

    def handle(self, packet: bytes, *, now: float) -> bytes | None:
        """What comes out when `packet` came in; None: nothing."""
        seen = look(packet)
        if seen is None:
            self.drops["not_translatable"] += 1
            return None
        datagram = Datagram(seen.source, seen.to, b"")
        nat = self._nats[seen.protocol]
        passed: Datagram | None
        if seen.to.host in self._public and not self._is_inside(seen.source.host):
            passed = nat.inward(datagram, now=now)
            if passed is None and self._rejects and seen.protocol == UDP:
                return refusal(packet)
        else:
            passed = nat.outward(datagram, now=now)
            if passed is not None and passed.to.host in self._public:
                passed = nat.inward(passed, now=now)
        return None if passed is None else _rewritten(packet, seen, passed.source, passed.to)

    def forget(self) -> None:
        """Lose every mapping, as a router does that restarts."""
        for nat in self._nats.values():
            nat.become(nat.model)

    def _is_inside(self, host: str) -> bool:
        known = self._seen_hosts.get(host)
        if known is None:
            if len(self._seen_hosts) >= MOST_HOSTS:
                self._seen_hosts.clear()
            address = ipaddress.ip_address(host)
            known = self._seen_hosts[host] = any(address in prefix for prefix in self._inside)
        return known

    def entries(self, *, now: float) -> Entries:
        """The counters of the UDP NAT."""
        alive = self.udp.entries(now=now)
        return Entries(
            alive=alive,
            peak=self.udp.peak,
            by_inside=dict(self.udp.by_inside),
            by_destination=dict(self.udp.by_destination),
            peak_by_inside=dict(self.udp.peak_by_inside),
            counts={**self.udp.counts, **self.drops},
        )


def _rewritten(packet: bytes, seen: Seen, source: Endpoint, to: Endpoint) -> bytes:
    changed = bytearray(packet)
    replace(changed, seen, source, to)
    return bytes(changed)
