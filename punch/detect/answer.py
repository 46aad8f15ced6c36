"""Our STUN service: any member that is reached answers where others are seen from (protocol section 9).

                     PORT (main)     PORT + 1 (alternate)
    address A           asked here -> CHANGE-REQUEST port answers from here
    address B        CHANGE ip          CHANGE ip + port            only where a family has two public addresses

With one public address OTHER-ADDRESS is left out, as RFC 5780 section 7.4 demands: clients of other makers would ask
the same endpoint twice and call every NAT endpoint-independent. SOFTWARE tells our own kind that PORT + 1 is there.
What asks for the second address is then dropped, not refused with error 420: such clients take any answer for one that
came through the filter (coturn's turnutils_natdiscovery does), while silence makes them assume the stricter NAT.

An answer is larger than its question (20 bytes become 68 or 80); the limits below keep that from being of use.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache

from msgspec import Struct

from punch import stun
from punch.addresses import LOWEST_PORT, REMEMBERED, is_private
from punch.commands import SendDatagram
from punch.config import StunConfig
from punch.facts import NetworkChanged, SocketClosed, SocketOpened
from punch.limiter import TokenBucket
from punch.manners import is_sendable
from punch.signals import Touch
from punch.stun import Message
from punch.values import Endpoint, SocketId, udp

PREFIX_BURST, PREFIX_RATE = 100, 50
"""Answers to one /24 or /56: at once, and a second from then on (protocol section 9)."""
ALL_RATE = 1000
"""Answers a second in all."""
MOST_PREFIXES = 4096
"""Prefixes remembered; the one that asked longest ago gives way."""
SOFTWARE = "punch"
"""Who answers so has PORT + 1 for other tests, whether or not it has an OTHER-ADDRESS to tell."""
WILDCARDS = ("0.0.0.0", "::")

Told = SocketOpened | SocketClosed | NetworkChanged


class Own(Struct, frozen=True):
    """A socket of ours that answers."""

    socket: SocketId
    local: Endpoint
    alternate: bool
    """PORT + 1."""


class Answerer:
    """Answers binding requests from PORT and PORT + 1. What it drops it counts in `drops`."""

    def __init__(self, config: StunConfig, *, now: float) -> None:
        self.drops: Counter[str] = Counter()
        self.answered = 0
        """Answers given."""
        self._serve = config.serve != "off"
        self._own: dict[SocketId, Own] = {}
        self._seconds: dict[str, str | None] = {}
        """Address -> the second one, as far as somebody asked since our sockets changed."""
        self._addresses: tuple[str, ...] = ()
        self._all = TokenBucket(depth=ALL_RATE, rate=ALL_RATE, now=now)
        self._prefixes: dict[str, TokenBucket] = {}

    def reload(self, config: StunConfig) -> None:
        """Take other settings."""
        self._serve = config.serve != "off"

    def tell(self, fact: Told) -> None:
        """Hear of our sockets and addresses; those of the engine's own role answer nothing."""
        match fact:
            case SocketOpened():
                if fact.role != "engine":
                    self._seconds.clear()
                    self._own[fact.socket] = Own(fact.socket, fact.local, fact.role == "alternate")
            case SocketClosed():
                if self._own.pop(fact.socket, None) is not None:
                    self._seconds.clear()
            case NetworkChanged():
                self._addresses = fact.addresses

    def receive(self, payload: bytes, source: Endpoint, *, via: SocketId, now: float) -> list[SendDatagram]:
        """Answer a datagram if it is a request, or count why not."""
        try:
            request = stun.parse(payload)
        except stun.StunError as error:
            return self._drop(str(error))
        return self.answer(request, source, via=via, now=now)

    def answer(self, request: Message, source: Endpoint, *, via: SocketId, now: float) -> list[SendDatagram]:
        """The same for what was parsed already."""
        own = self._own.get(via)
        if request.kind != "request":
            return self._drop("stun_unknown")
        if own is None or not self._serve:
            return self._drop("stun_off")
        if not is_sendable(source):
            return self._drop("stun_source")
        if not self._allowed(source, now=now):
            return self._drop("stun_limit")
        said = self._answer(request, source, own)
        if said is None:
            return self._drop("stun_no_second")
        self.answered += 1
        by, answer = said
        return [SendDatagram(by.socket, source, stun.pack(answer))]

    def touch(self, signal: Touch, *, host: str, via: SocketId, now: float) -> list[SendDatagram]:
        """Do what a member asks for, within the same limits as answers; see the function `touch`."""
        if not self._serve:
            return self._drop("stun_off")
        said = touch(signal, host=host, via=via)
        if said is None:
            return self._drop("stun_source")
        if not self._allowed(said.to, now=now):
            return self._drop("stun_limit")
        return [said]

    def _drop(self, reason: str) -> list[SendDatagram]:
        self.drops[reason] += 1
        return []

    def _answer(self, request: Message, source: Endpoint, own: Own) -> tuple[Own, Message] | None:
        """Who answers, and what; None: it asks for an address or port that we have not."""
        if request.strange:
            return own, refusal(request, request.strange)
        by = own
        if request.change_ip or request.change_port:
            wanted = self._elsewhere(own, ip=request.change_ip, port=request.change_port)
            if wanted is None:
                return None
            by = wanted
        answer = Message(
            kind="response",
            transaction=request.transaction,
            xor_mapped=source,
            mapped=source,
            origin=self._named(by, source),
            other=self._other(own, source),
            software=SOFTWARE,
            fingerprint=request.fingerprint,
        )
        return by, answer

    def _elsewhere(self, own: Own, *, ip: bool, port: bool) -> Own | None:
        """The socket on our other address, our other port, or both."""
        host = own.local.host
        if ip:
            if host not in self._seconds:
                self._seconds[host] = self._second(own)
            host = self._seconds[host] or ""
        for each in self._own.values():
            if each.local.host == host and each.alternate == (own.alternate != port):
                return each
        return None

    def _second(self, own: Own) -> str | None:
        """Another public address of the family, the same for every question, that has both ports."""
        hosts = sorted({each.local.host for each in self._own.values() if each.local.is_ipv6 == own.local.is_ipv6})
        open_ = [host for host in hosts if host not in WILDCARDS and not is_private(host) and self._both(host)]
        if own.local.host not in open_ or len(open_) < 2:
            return None
        return open_[(open_.index(own.local.host) + 1) % len(open_)]

    def _both(self, host: str) -> bool:
        return len({each.alternate for each in self._own.values() if each.local.host == host}) == 2

    def _other(self, own: Own, source: Endpoint) -> Endpoint | None:
        """OTHER-ADDRESS: other address and other port, if there is a second address."""
        far = self._elsewhere(own, ip=True, port=True)
        return None if far is None else self._named(far, source)

    def _named(self, by: Own, source: Endpoint) -> Endpoint | None:
        """How whoever asks may name one of our sockets; None: that is not known."""
        host = by.local.host
        if host in WILDCARDS:
            family = [each for each in self._addresses if (":" in each) == by.local.is_ipv6 and "%" not in each]
            fitting = [each for each in family if is_private(each) == is_private(source.host)]
            if len(fitting) != 1:
                return None
            host = fitting[0]
        if is_private(host) and not is_private(source.host):
            return None
        return udp(host, by.local.port)

    def _allowed(self, source: Endpoint, *, now: float) -> bool:
        """Take one answer from the budget of the prefix and of all."""
        prefix = prefix_of(source.host)
        bucket = self._prefixes.pop(prefix, None) or TokenBucket(depth=PREFIX_BURST, rate=PREFIX_RATE, now=now)
        if len(self._prefixes) >= MOST_PREFIXES:
            del self._prefixes[next(iter(self._prefixes))]
        self._prefixes[prefix] = bucket
        return bucket.available(now=now) >= 1 and self._all.take(now=now) and bucket.take(now=now)


def refusal(request: Message, unknown: tuple[int, ...]) -> Message:
    """Error 420 with the attributes that we do not know (RFC 8489 section 6.3.1)."""
    return Message(
        kind="error",
        transaction=request.transaction,
        error=stun.UNKNOWN_ATTRIBUTE,
        reason="Unknown Attribute",
        unknown=unknown[:8],
        fingerprint=request.fingerprint,
    )


@lru_cache(maxsize=REMEMBERED)
def prefix_of(host: str) -> str:
    """The /24 or /56 that shares one allowance."""
    address = ipaddress.ip_address(host.partition("%")[0])
    shift = 8 if address.version == 4 else 72
    return f"{address.version}/{int(address) >> shift:x}"


def touch(signal: Touch, *, host: str, via: SocketId) -> SendDatagram | None:
    """What a member that serves STUN sends when it is asked for a Touch; None: nothing may be sent there.

    Sockets like ours have ports from 1,024 on, and NATs keep them there (RFC 4787, REQ-3): none below is touched.

    Args:
        host: where the asking peer is heard from, as we see it ourselves: it is aimed at nobody else.
        via: our main socket of that family.
    """
    to = udp(host, signal.port)
    if signal.port < LOWEST_PORT or not is_sendable(to):
        return None
    answer = Message(kind="response", transaction=signal.transaction, xor_mapped=to)
    return SendDatagram(via, to, stun.pack(answer))
