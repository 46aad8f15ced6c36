"""Rooms that are a punch engine: what a stranger's datagram, a lying STUN server or a peer turned bad can do to it.

guest     signals of peers with keys, and probes with a good MAC, to an engine behind a simulated NAT
asker     answers to its own STUN questions, with whatever in them
answerer  STUN questions of strangers
"""

from __future__ import annotations

import random
import zlib
from collections import deque
from collections.abc import Iterator

import msgspec

from overlay.wire.codec import Malformed, pack
from punch import probe as wire
from punch import stun
from punch.commands import Command, OpenSockets, SendDatagram, SendSignal
from punch.config import PunchConfig, StunConfig
from punch.detect.answer import Answerer
from punch.detect.words import label, sentence
from punch.engine import Engine
from punch.events import AttemptEnded
from punch.facts import (
    CandidatesChanged,
    DetectAsked,
    Heard,
    NetworkChanged,
    PeerDown,
    PeerHeard,
    PeerUp,
    PeerWanted,
    ServersKnown,
    SignalReceived,
    SocketOpened,
)
from punch.signals import Offer, Signal, plain
from punch.sim.engine_host import PORT, EngineHost
from punch.sim.journal import Quiet
from punch.sim.link import Link
from punch.sim.stun_host import StunHost
from punch.sim.world import World
from punch.sim.zoo import KINDS, settle
from punch.values import Candidate, Endpoint, NatProfile, PeerId, SocketId, udp
from tools.fuzz.machines import settle as let_pass
from tools.fuzz.said import HOME, OPEN, heard
from tools.fuzz.target import Feed

EAGER = PunchConfig(nat3_nat4="always", nat4_nat4="always")
SERVERS = ("203.0.113.1", "203.0.113.129")
SEAL = bytes([1]) * 32
MAIN, ALTERNATE, MAIN6 = SocketId(1), SocketId(2), SocketId(3)
NATS = ("open", "nat3", "nat4-preserving", "nat4-sequential-busy", "nat4-block-1024", "nat4-uniform")
"""What the engine under test is behind; with what peers say of theirs, every strategy has its turn."""


class Sober(Engine):
    """An engine whose every command is looked at: what the shell could not do, or must not, is its fault."""

    def commands(self) -> Iterator[Command]:
        """See `Engine`."""
        for command in super().commands():
            if isinstance(command, SendDatagram):
                assert 1 <= command.to.port <= 0xFFFF, command
                assert 0 <= command.ttl <= 255, command
                assert command.to.transport == "udp", command
                assert len(command.payload) <= 1200, command
            elif isinstance(command, OpenSockets):
                assert 1 <= command.count <= 1024, command
                assert 0 <= command.port <= 0xFFFF, command
            elif isinstance(command, SendSignal):
                assert heard(pack(plain(command.signal))) == command.signal
            yield command

    def look(self, peer: PeerId, now: float) -> None:
        """Ask what `status` asks."""
        view = self.view(peer, now)
        assert msgspec.json.decode(msgspec.json.encode((view.text, view.reason, view.fix, view.journal)))
        for profile in (self.profile, view.remote or NatProfile()):
            assert label(profile)
            assert sentence(profile)
        assert self.budget(now).entries_live >= 0


# --- a peer turned bad


class Table:
    """An engine behind a NAT, and one peer after the other that says whatever it likes."""

    def __init__(self, kind: str) -> None:
        self.world = World(seed="fuzz", link=Link(delay=0.01), hops=4, journal=Quiet())
        self._servers: dict[PeerId, StunHost] = {}
        for address in SERVERS:
            name = address.encode()
            self._servers[name] = StunHost(address, heard=lambda peer, host: None)
            self.world.add(address, self._servers[name], address)
        self.engine = Sober(EAGER, StunConfig(), entropy=random.Random(5), now=0.0)
        self.host = EngineHost(PeerId(b"ann"), self.engine, random.Random(6), self._carry)
        settle(self.world, KINDS[kind], "ann", self.host, number=1)
        self._peers = 0
        self._said: Offer | None = None
        self._begin()
        self._next_peer(0)

    def _begin(self) -> None:
        (address,) = self.world.addresses("ann")
        members = tuple(each.main for each in self._servers.values())
        self.host.start(address, members, now=0.0)
        self._tell(CandidatesChanged((Candidate(udp(address, PORT), "local"),)))
        self._tell(ServersKnown(members, peers=tuple(self._servers)))
        self.world.run_for(3.0)

    @property
    def peer(self) -> PeerId:
        """Who speaks now."""
        return PeerId(b"peer %d" % self._peers)

    def datagram(self, data: bytes) -> None:
        """From where the peer is; a probe gets this attempt's label and a good MAC."""
        mark = zlib.crc32(data)
        if len(data) == wire.PROBE_BYTES and data[0] in (wire.PROBE, wire.ANSWER) and self._said and mark & 7:
            read = wire.peek(data)
            assert isinstance(read, wire.Probe)
            mended = msgspec.structs.replace(read, epoch=1, label=self._said.label, attempt=self._said.attempt)
            data = wire.encode(mended, OPEN)
        self.host.receive(data, udp(HOME, 1024 + mark % 64_000), to=udp("0.0.0.0", PORT), now=self.world.now)
        self._pass(0.02)

    def signal(self, signal: Signal, mark: int) -> None:
        """Of the attempt under way, mostly; an Offer is another peer's, and begins one."""
        if isinstance(signal, Offer) and mark & 3:
            self._tell(PeerDown(self.peer))
            self._next_peer(mark)
        elif mark & 7 and self._said is not None:
            signal = msgspec.structs.replace(signal, attempt=self._said.attempt)
        self._tell(SignalReceived(self.peer, signal))
        self._pass(0.3 if isinstance(signal, Offer) else 0.05)

    def _next_peer(self, mark: int) -> None:
        self._peers += 1
        self._said = None
        self._tell(PeerUp(self.peer, SEAL, OPEN, 1, first=bool(mark & 64)))
        self._tell(Heard(self.peer, HOME, PeerId(SERVERS[0].encode())))
        self._tell(PeerHeard(self.peer, HOME))
        if mark & 32:
            self._tell(PeerWanted(self.peer, "traffic"))

    def _tell(self, fact: object) -> None:
        self.host.tell(fact, now=self.world.now)  # type: ignore[arg-type]

    def _carry(self, said: SendSignal) -> None:
        if (server := self._servers.get(said.peer)) is not None:
            server.signalled(PeerId(b"ann"), said.signal)
        elif isinstance(said.signal, Offer) and said.peer == self.peer:
            self._said = said.signal

    def _pass(self, seconds: float) -> None:
        self.world.run_for(seconds)
        self.engine.look(self.peer, self.world.now)
        for _, event in self.host.events:
            if isinstance(event, AttemptEnded):
                assert event.reason
        self.host.events.clear()


def is_signal(data: bytes) -> bool:
    """Whether an engine would hear it."""
    try:
        heard(data)
    except Malformed:
        return False
    return True


def guest_room(kind: str) -> Feed:
    """Signals as msgpack; what is none is a datagram."""
    table = Table(kind)

    def feed(data: bytes) -> None:
        try:
            signal = heard(data)
        except Malformed:
            table.datagram(data[:65_000])
        else:
            table.signal(signal, zlib.crc32(data))

    return feed


# --- a STUN server that lies


def asker_room() -> Feed:
    """Answers to the engine's own questions; one in eight comes from where nobody was asked."""
    engine = Sober(EAGER, StunConfig(), entropy=random.Random(7), now=0.0)
    asked: deque[tuple[SocketId, Endpoint, bytes]] = deque(maxlen=16)
    now, fed, made = 0.0, 0, 100

    def obey() -> None:
        nonlocal made
        while commands := list(engine.commands()):
            for command in commands:
                if isinstance(command, SendDatagram) and stun.is_stun(command.payload):
                    asked.append((command.via, command.to, command.payload[8:20]))
                elif isinstance(command, OpenSockets):
                    for _ in range(command.count):
                        made += 1
                        local = udp("0.0.0.0", command.port or 32_768 + 2 * made % 28_000)
                        engine.tell(SocketOpened(SocketId(made), local, command.request, "engine"), now=now)
        for _ in engine.events():
            pass

    for socket, host, port, role in ((MAIN, "0.0.0.0", PORT, "main"), (ALTERNATE, "0.0.0.0", PORT + 1, "alternate")):
        engine.tell(SocketOpened(socket, udp(host, port), role=role), now=now)  # type: ignore[arg-type]
    engine.tell(NetworkChanged("home", ("192.168.1.2",)), now=now)
    members = tuple(udp(each, PORT) for each in SERVERS)
    engine.tell(ServersKnown(members, configured=(udp("192.0.2.1", 3478),), peers=(b"one", b"two")), now=now)
    obey()

    def feed(data: bytes) -> None:
        nonlocal now, fed
        now, fed = now + 0.03, fed + 1
        via, source, mark = MAIN, udp(HOME, 3478), zlib.crc32(data)
        if asked and len(data) >= stun.HEADER.size and mark & 7:
            via, source, transaction = asked[mark % len(asked)]
            kind = stun.TYPES["response"] if mark & 24 else int.from_bytes(data[:2], "big")
            data = stun.HEADER.pack(kind, len(data) - stun.HEADER.size & 0xFFFF, stun.COOKIE, transaction) + data[20:]
        engine.receive(data[:65_000], source, via=via, now=now)
        obey()
        let_pass(engine, now)
        obey()
        if fed % 200 == 0:
            engine.tell(DetectAsked(), now=now)
        engine.look(PeerId(b"nobody"), now)

    return feed


# --- strangers that ask


def answerer_room() -> Feed:
    """Questions; an answer is one datagram to who asked, and not much larger than the question."""
    room = Answerer(StunConfig(), now=0.0)
    sockets = (("203.0.113.9", MAIN), ("203.0.113.10", SocketId(5)), ("2001:db8::9", MAIN6))
    for host, socket in sockets:
        room.tell(SocketOpened(socket, udp(host, PORT)))
        room.tell(SocketOpened(SocketId(socket + 10), udp(host, PORT + 1), role="alternate"))
    sources = ("192.0.2.1", "10.0.0.1", "2001:db8::1", "127.0.0.1", "0.0.0.0", "fe80::1%eth0", "224.0.0.1")
    now = 0.0

    def feed(data: bytes) -> None:
        nonlocal now
        now += 0.01
        mark = zlib.crc32(data)
        source = udp(sources[mark % len(sources)], mark >> 8 & 0xFFFF)
        for said in room.receive(data, source, via=sockets[mark % 3][1], now=now):
            assert said.to == source
            assert len(said.payload) <= 160
            assert stun.parse(said.payload).transaction == data[8:20]

    return feed
