"""Rooms that are a whole data plane or a whole node: what a stranger, or a member turned bad, can reach."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from overlay.dataplane import port
from overlay.dataplane.check import OK, PLAIN_UDP, REASONS, check
from overlay.dataplane.memory import MemoryPlane
from overlay.dataplane.segment import fit
from overlay.node.facts import BeaconHeard
from overlay.node.lan import SIZE
from overlay.node.setup import Setup
from overlay.sealing import aad, aead, nonce
from overlay.session.events import SessionOpened
from overlay.session.facts import DialAsked
from overlay.session.layout import MAC_SIZE, mac1
from overlay.session.sessions import Sessions
from overlay.shell.virtual import VirtualNode
from overlay.tun.memory import MemoryTun
from overlay.values import Direct, Label, NodeId
from overlay.wire.codec import Malformed, decode_message
from overlay.wire.frame import CONTROL, DATA, cut
from overlay.wire.messages import Leave, Message, Ping
from punch.config import PunchConfig
from punch.values import SocketId, udp
from tools.fuzz.machines import STEP, frames_of, sessions, settle
from tools.fuzz.packets import OURS4, OURS6, THEIRS4, THEIRS6, VNET, fault
from tools.fuzz.samples import NETWORK, identity
from tools.fuzz.target import Feed

SELVES = (OURS4, OURS6)
KEY = bytes(32)
SOURCE = udp("192.0.2.1", 27182)
HERE = udp("192.0.2.2", 27182)


# -- one record -------------------------------------------------------------------------------------------------------


def check_record(data: bytes) -> None:
    """What passes holds nothing that a second look would refuse."""
    buffer = bytearray(data) + bytes(64)
    owner = object()
    verdict = check(buffer, 0, len(data), owner, {THEIRS4: owner, THEIRS6: owner}, SELVES)
    if verdict in (OK, PLAIN_UDP):
        assert (found := fault(bytes(buffer[: len(data)]), joined=False)) is None, found
    else:
        assert verdict in REASONS


def fit_record(data: bytes) -> None:
    """What our own kernel hands over is cut into records that any peer takes, or dropped."""
    if len(data) < VNET + 20:
        return
    for offloads in (0, 3, 7):
        pieces = fit(data, offloads, 1340)
        assert sum(map(len, pieces)) <= len(data) * 128


# -- a data plane -----------------------------------------------------------------------------------------------------


def plane_room() -> Feed:
    """A plane with one peer; the input is what that peer seals."""
    tun, peer, now = MemoryTun(), NodeId(bytes(32)), 0.0
    plane = MemoryPlane(tun, send=lambda *_: None, receive=lambda *_: None, tell=lambda fact: None, clock=lambda: now)
    plane.apply(port.PutKeys(peer=peer, cipher="chacha20poly1305", open_epoch=0, open_key=KEY))
    plane.apply(port.PutLabel(Label(5), peer, circuit=False))
    for address in (THEIRS4, THEIRS6):
        plane.apply(port.PutRoute(address, peer))
    plane.apply(port.PutSelf(SELVES))
    cipher, counter = aead("chacha20poly1305", KEY), 0

    def feed(data: bytes) -> None:
        nonlocal counter, now
        now += STEP
        counter += 1
        sealed = cipher.encrypt(nonce(counter), data[:60_000], aad(DATA, 0, counter))
        for frame in cut(DATA, Label(5), 0, counter, sealed, 1472):
            plane.datagram(frame, SOURCE, SocketId(1))
        while tun.taken:
            assert (found := fault(tun.taken.popleft(), joined=True)) is None, found
        assert plane.counters().peers[peer].complete == counter

    return feed


def slices_room() -> Feed:
    """A plane that is fed slices as they are: nothing opens, nothing is kept."""
    tun, peer, now = MemoryTun(), NodeId(bytes(32)), 0.0
    plane = MemoryPlane(tun, send=lambda *_: None, receive=lambda *_: None, tell=lambda fact: None, clock=lambda: now)
    plane.apply(port.PutKeys(peer=peer, cipher="chacha20poly1305", open_epoch=0, open_key=KEY))
    plane.apply(port.PutLabel(Label(5), peer, circuit=False))

    def feed(data: bytes) -> None:
        nonlocal now
        now += STEP / 10
        plane.datagram(data[:65_000], SOURCE, SocketId(1))
        assert not tun.taken

    return feed


# -- a node -----------------------------------------------------------------------------------------------------------


def node(number: int, **changed: Any) -> VirtualNode:
    """A node with nobody to dial."""
    dice = random.Random(number)
    setup = Setup(
        identity=identity(number),
        keys=NETWORK,
        name=f"node-{number}",
        fixed_ipv4=None,
        remembered_ipv4=None,
        sequence=0,
        boot=bytes(8),
        peers=(),
        advertise=(),
        records=(),
        endpoints=(),
        relay=True,
        punch=PunchConfig(),
        ciphers=("chacha20poly1305",),
        offloads=7,
        port=HERE.port,
        dev="memory0",
        mtu=1380,
        version="0.1.0",
    )
    setup = msgspec.structs.replace(setup, **changed)
    return VirtualNode(setup, ((HERE.host, 24, "eth0"),), keygen=dice.randbytes, entropy=dice, now=0.0)


def drain(whole: VirtualNode, now: float) -> None:
    """Let pass what is due, and throw away what it says."""
    settle(whole, now)
    for _ in whole.outgoing():
        pass
    whole.seen.clear()
    whole.tun.taken.clear()


def node_room() -> Feed:
    """Any datagram from a stranger."""
    whole, now = node(2), 0.0

    def feed(data: bytes) -> None:
        nonlocal now
        now += STEP
        whole.receive(data[:65_000], SOURCE, to=HERE, now=now)
        drain(whole, now)

    return feed


def beacon_room() -> Feed:
    """Any datagram to the group of a link, from anywhere on it."""
    whole, now, dice = node(2, lan=True), 0.0, random.Random(2)

    def feed(data: bytes) -> None:
        nonlocal now
        now += STEP
        source = udp(f"192.0.2.{dice.randrange(1, 255)}", dice.randrange(1, 65536))
        whole.tell(BeaconHeard(data[: 2 * SIZE], source), now=now)
        drain(whole, now)

    return feed


def beacons() -> list[bytes]:
    """What members say to their link."""
    nonces = [bytes([number]) * (SIZE - MAC_SIZE) for number in range(8)]
    return [nonce + mac1(NETWORK.mac_key, nonce) for nonce in nonces]


class Member:
    """A member turned bad: it has a session with a node, and seals whatever it likes."""

    def __init__(self) -> None:
        self.whole = node(2)
        self.now = 0.0
        self._peer: Sessions = sessions(1)
        self._peer.tell(DialAsked(Direct(SocketId(1), HERE), None), now=0.0)
        for _ in range(3):
            self._exchange()
        (opened,) = [event for event in self._peer.events() if isinstance(event, SessionOpened)]
        self._label = opened.peer_label
        self.say(Ping(0, bytes(8)))

    def _exchange(self) -> None:
        for frame in frames_of(self._peer):
            self.whole.receive(frame, SOURCE, to=HERE, now=self.now)
        for datagram in self.whole.outgoing():
            self._peer.receive(datagram.payload, Direct(SocketId(1), HERE), now=self.now)

    def say(self, message: Message) -> None:
        """Seal and send it."""
        sealed = self._peer.seal(identity(2).id, message, now=self.now)
        assert sealed is not None
        for frame in cut(CONTROL, self._label, sealed.epoch, sealed.counter, sealed.body, 1200):
            self.whole.receive(frame, SOURCE, to=HERE, now=self.now)
        drain(self.whole, self.now)


def member_room() -> Feed:
    """Any control message from a member; it never leaves, so that the next is heard too."""
    member = Member()

    def feed(data: bytes) -> None:
        member.now += STEP
        try:
            message = decode_message(data)
        except Malformed:
            return
        if not isinstance(message, Leave):
            member.say(message)
        assert member.whole.snapshot(now=member.now).peers, "the member is no longer known"

    return feed
