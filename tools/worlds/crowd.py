"""A crowd: hundreds of members in steady life, without faults, for figures: one in ten public, the rest behind NAT3.

p0 .. on the internet, n0 .. each at a home of its own; each is told one public member that was there before
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from overlay.gossip import intake
from overlay.identity import Identity, network_keys
from overlay.node.setup import Setup
from overlay.shell.virtual import EMPTY, VirtualNode, remembered
from punch.sim.host import Datagram
from punch.sim.journal import Quiet
from punch.sim.link import IPV4_HEADERS, Link
from punch.sim.model import NatModel
from punch.sim.nat import Nat
from punch.sim.world import INTERNET, World
from punch.values import Endpoint
from tools.worlds.town import MEMBER

KEYS = network_keys("home", b"k" * 32)
PUBLIC = 10
"""One in so many is public."""
HALF = Link(delay=0.01)
"""A public host's wire, each way: two of them make 20 ms one way, 40 ms there and back."""
HOUSE, UPLINK = Link(delay=0.0), Link(delay=0.01)
"""At home the line to the provider takes all the time."""
REMEMBERED = 20_000
"""Records that are decoded and verified once for all nodes."""


class Meter:
    """A host that counts what its node sends, IP and UDP headers included."""

    def __init__(self, node: VirtualNode) -> None:
        self.node = node
        self.sent = 0

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """A datagram came."""
        self.node.receive(payload, source, to=to, now=now)
        self.node.seen.clear()

    def next_timeout(self) -> float | None:
        """The node's."""
        return self.node.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        self.node.handle_timeout(now=now)
        self.node.seen.clear()

    def outgoing(self) -> Iterator[Datagram]:
        """What the node sends, counted."""
        for datagram in self.node.outgoing():
            self.sent += len(datagram.payload) + IPV4_HEADERS
            yield datagram


class Crowd:
    """A world of many members; `world` runs it."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed=f"crowd/{seed}", link=HALF, journal=Quiet())
        self.meters: dict[str, Meter] = {}
        self._public: list[str] = []
        self._told: list[str] = []
        self._dice = self.world.dice("crowd")

    def join(self) -> str:
        """One more member; its name."""
        number = len(self.meters)
        public = number % PUBLIC == 0
        name = f"{'p' if public else 'n'}{number}"
        dice = self.world.dice(name)
        setup = _setup(name, dice, (self._dice.choice(self._public),) if self._public else (), EMPTY)
        high, low = divmod(number, 250)
        network, address, prefix = INTERNET, f"203.0.{high}.{low + 1}", 32
        if not public:
            network, address, prefix = name, "192.168.1.2", 24
            nat = Nat(NatModel(), f"198.18.{high}.{low + 1}", entropy=self.world.dice(f"{name} nat"))
            self.world.lan(name, router=nat, uplink=UPLINK, link=HOUSE)
        node = VirtualNode(
            setup,
            ((address, prefix, "eth0"),),
            keygen=dice.randbytes,
            entropy=dice,
            gateway=network,
            now=self.world.now,
        )
        meter = self.meters[name] = Meter(node)
        self.world.add(name, meter, address, network=network)
        self._told.append(name)
        if public:
            self._public.append(address)
        return name

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        told, self._told = self._told, []
        self.world.run(until=self.world.now + seconds, told=told)

    def knowing(self, name: str) -> int:
        """How many hold the record of a member, itself included."""
        node = self.meters[name].node.node.id
        return sum(meter.node.node.member(node) is not None for meter in self.meters.values())

    def known(self, name: str) -> int:
        """How many others a member knows."""
        own = self.meters[name].node.node
        return sum(own.member(meter.node.node.id) is not None for meter in self.meters.values()) - 1

    def sent(self) -> dict[str, int]:
        """Bytes each sent so far."""
        return {name: meter.sent for name, meter in self.meters.items()}


def lone(records: tuple[bytes, ...], *, lives: float = 5.0) -> VirtualNode:
    """A node that has lived for so many seconds, alone with the records on its disk."""
    world = World(seed="lone", journal=Quiet())
    dice = world.dice("lone")
    setup = _setup("lone", dice, (), {**EMPTY, "records": records})
    node = VirtualNode(setup, (("203.0.113.1", 32, "eth0"),), keygen=dice.randbytes, entropy=dice, now=0.0)
    world.add("lone", node, "203.0.113.1")
    world.run_for(lives)
    return node


def _setup(name: str, dice: random.Random, peers: tuple[str, ...], disk: dict[str, Any]) -> Setup:
    identity, boot = Identity(dice.randbytes(32)), dice.randbytes(8)
    return Setup(
        identity=identity, keys=KEYS, name=name, boot=boot, peers=peers, relay=True, **MEMBER, **remembered(disk)
    )


@contextmanager
def records_shared() -> Iterator[None]:
    """All nodes of this process share decoded records and verified signatures: the same bytes are the same record.

    What a thousand nodes on as many machines pay once each is paid once here, in time and in memory.
    """
    before = {name: getattr(intake, name) for name in ("decode", "is_signed")}
    for name, function in before.items():
        shared: Any = lru_cache(maxsize=REMEMBERED)(function)
        setattr(intake, name, shared)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(intake, name, function)
