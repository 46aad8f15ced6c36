"""Members that lie: a real node whose frames, or whose words, are changed on their way out.

node --records--> forged, signed by its own key --sealed--> neighbours          mint, replay, claim, free
node --datagrams--> swallowed, held, doubled, shuffled, swapped --> world        only what it carries for others
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import structs

from overlay.gossip.record import Record, RecordEndpoint, RecordLink
from overlay.gossip.records import MAX_LINKS, decode, sign
from overlay.identity import Identity, ipv6_address
from overlay.shell.virtual import VirtualNode
from overlay.values import Label, NodeId
from overlay.wire.frame import SLICED
from overlay.wire.messages import Have, Message, Records
from punch.sim.host import Datagram
from tools.worlds import inside

HELD = 3.0
"""Seconds a frame is held at most."""
CROWD = 3
"""Datagrams that are shuffled together."""
MINTED = 8
"""Made-up members with each word to a neighbour, and MOST_MINTED in all."""
MOST_MINTED = 400
FAR = 1_000_000
"""Sequence of a record that is said to be newer than any."""


class Mischief:
    """What one member does to the frames it carries and to the records it passes on."""

    def __init__(self, lies: tuple[str, ...], node: VirtualNode, identity: Identity, dice: random.Random) -> None:
        self._lies, self._node, self._identity, self._dice = lies, node, identity, dice
        self._held: list[tuple[float, int, Datagram]] = []
        self._serial = 0
        self._crowd: list[Datagram] = []
        self._old: dict[NodeId, bytes] = {}
        self._minted = 0
        if {"mint", "replay", "claim", "free"} & set(lies):
            self._listen_in()

    # --- frames it carries

    def next_timeout(self) -> float | None:
        """When something that is held goes out."""
        return self._held[0][0] if self._held else None

    def outgoing(self, datagrams: Iterator[Datagram], *, now: float) -> Iterator[Datagram]:
        """What the world sees of what the node sends."""
        for datagram in datagrams:
            if _label(datagram) in self._carried():
                yield from self._lied(datagram, now)
            else:
                yield datagram
        while self._held and self._held[0][0] <= now:
            yield heapq.heappop(self._held)[2]

    def _carried(self) -> dict[Label, None]:
        return {forward.out_label: None for forward in inside.forwards(self._node).values()}

    def _lied(self, datagram: Datagram, now: float) -> Iterator[Datagram]:
        lies = self._lies
        if "swallow" in lies:
            return
        if "swap" in lies:
            others = list(self._carried())
            label = self._dice.choice(others)
            payload = datagram.payload[:4] + label.to_bytes(4, "little") + datagram.payload[8:]
            datagram = Datagram(datagram.source, datagram.to, payload, datagram.ttl)
        if "hold" in lies:
            self._serial += 1
            heapq.heappush(self._held, (now + HELD * self._dice.random(), self._serial, datagram))
            return
        self._crowd.append(datagram)
        if "shuffle" in lies and len(self._crowd) < CROWD:
            return
        crowd, self._crowd = self._crowd, []
        self._dice.shuffle(crowd)
        yield from crowd * 2 if "twice" in lies else crowd

    # --- records it passes on

    def _listen_in(self) -> None:
        """Stand between the node and the sealing of what it says."""
        outbound = self._node.node._outbound
        send: Callable[..., None] = outbound.send

        def lie(peer: NodeId, where: Any, message: Message, *, pad: int = 0, now: float) -> None:
            if isinstance(message, Records):
                message = Records([self._forged(signed) for signed in message.records])
                for more in self._more():
                    send(peer, where, more, now=now)
            send(peer, where, message, pad=pad, now=now)

        setattr(outbound, "send", lie)  # noqa: B010

    def _forged(self, signed: bytes) -> bytes:
        network = self._node.node._rooms.setup.keys.name
        record = decode(signed, network)
        if record.id != self._identity.id:
            if "replay" in self._lies:
                return self._old.setdefault(record.id, signed)
            return signed
        return sign(self._claims(record), self._identity, network)

    def _claims(self, record: Record) -> Record:
        """Our own record, saying what is not true."""
        others = [other for other in inside.rooms(self._node).gossip.members() if other.id != record.id]
        if "claim" in self._lies and others:
            victim = self._dice.choice(others)
            record = structs.replace(record, ipv4=victim.ipv4, ipv4_fixed=True, endpoints=victim.endpoints)
        if "free" in self._lies:
            record = structs.replace(record, links=tuple(RecordLink(other.id, 0) for other in others[:MAX_LINKS]))
        return record

    def _more(self) -> Iterator[Message]:
        """Records of members that do not exist, and news of ones that nobody has."""
        if "mint" not in self._lies or self._minted >= MOST_MINTED:
            return
        network = self._node.node._rooms.setup.keys.name
        made = [self._made_up(network) for _ in range(MINTED)]
        self._minted += MINTED
        yield Have([(decode(signed, network).id, FAR) for signed in made])
        yield Records(made)

    def _made_up(self, network: str) -> bytes:
        identity = Identity(self._dice.randbytes(32))
        endpoint = RecordEndpoint(
            f"198.18.0.{self._dice.randrange(1, 255)}:{self._dice.randrange(1024, 65536)}", "given"
        )
        record = Record(
            id=identity.id,
            sequence=1,
            boot=self._dice.randbytes(8),
            name=f"m{self._minted}-{self._dice.randrange(1000)}",
            ipv4="",
            ipv4_fixed=False,
            ipv6=ipv6_address(network, identity.id),
            endpoints=(endpoint,),
            nat="unknown",
            links=(RecordLink(self._identity.id, 0),),
            relay=True,
            version="0",
        )
        return sign(record, identity, network)


def _label(datagram: Datagram) -> Label | None:
    payload = datagram.payload
    if len(payload) < 16 or payload[0] not in SLICED:
        return None
    return Label(int.from_bytes(payload[4:8], "little"))
