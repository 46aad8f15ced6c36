"""The nodes of a plan in their places, and what faults do to them.

member: VirtualNode --> Watch after each step --> Mischief on what leaves --> world
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from overlay.identity import Identity, network_keys
from overlay.node.facts import AddressesChanged, Fact, LeaveAsked
from overlay.node.setup import Setup
from overlay.shell.virtual import EMPTY, VirtualNode, remembered
from punch.config import PunchConfig
from punch.sim.host import Datagram
from punch.sim.journal import Journal
from punch.sim.nat import Nat
from punch.sim.world import INTERNET, LAN_LINK, WAN_LINK, World
from punch.sim.zoo import KINDS, Home, build
from punch.values import Endpoint
from tools.worlds.conversation import Words, said
from tools.worlds.faults import Fault
from tools.worlds.hostile import Mischief
from tools.worlds.plan import Place, Plan
from tools.worlds.traffic import Traffic
from tools.worlds.watch import Watch
from tools.worlds.worse import WIRES, flipped

HOME = network_keys("home", b"k" * 32)
"""A machine is handed the stretched secret, so no world pays for Argon2id."""
PORT = 27182
AWAY = ("nat3", "nat1", "cgn-preserving", "nat4-uniform", "nat3-uniform")
"""Where one goes who roams."""
FAREWELL = 0.3
"""Seconds a host that leaves has to say so, before it is off."""
SOCKET_BUFFER = 200
"""Datagrams that wait for a stopped process."""


class Member:
    """A host of the world: a node, watched and perhaps hostile."""

    def __init__(self, name: str, node: VirtualNode, town: Town, mischief: Mischief | None) -> None:
        self.name, self.node, self._town, self._mischief = name, node, town, mischief
        self._now = 0.0

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """A datagram came."""
        self._now = now
        self.node.receive(payload, source, to=to, now=now)
        self._town.watched(self.name, self.node)

    def next_timeout(self) -> float | None:
        """The node's, or that of what is held back."""
        own = self.node.next_timeout()
        held = self._mischief.next_timeout() if self._mischief is not None else None
        return own if held is None else held if own is None else min(own, held)

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        self._now = now
        at = self.node.next_timeout()
        if at is not None and at <= now:
            self.node.handle_timeout(now=now)
            self._town.watched(self.name, self.node)

    def outgoing(self) -> Iterator[Datagram]:
        """What goes to the network, as far as it is honest."""
        if self._mischief is None:
            return self.node.outgoing()
        return self._mischief.outgoing(self.node.outgoing(), now=self._now)


class Town:
    """A world with the members of a plan."""

    def __init__(self, plan: Plan, journal: Journal, words: Words | None = None) -> None:
        self.plan = plan
        self._words = words
        self.world = World(seed=f"{plan.kind}/{plan.seed}", journal=journal)
        self.nodes: dict[str, VirtualNode] = {}
        """Who lives now."""
        self.traffic = Traffic([place.name for place in plan.places], self.world.dice("traffic"))
        self.watch = Watch(self.nodes, self.traffic)
        self._places = {place.name: place for place in plan.places}
        self._homes: dict[str, Home] = {}
        self._first: dict[str, Home] = {}
        self._numbers = iter(range(1, 128))
        self._disks: dict[str, dict[str, Any]] = {}
        self._generations: dict[str, int] = {}
        self._starts = 0
        self._wires: dict[str, list[Fault]] = {}
        self._blocks: dict[tuple[str, str], int] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._asleep: dict[str, list[Fact]] = {}
        self._told: dict[str, None] = {}
        """Members that heard something from outside since time passed last."""
        for number, place in enumerate(plan.places):
            self._found(place, number)
        for a, b in plan.walls:
            self.world.cut(a, b)

    def _found(self, place: Place, number: int) -> None:
        """Lay a member's home."""
        if place.nat == "open":
            home = Home(INTERNET, f"203.0.113.{number + 1}", [])
        else:
            home = build(self.world, KINDS[place.nat], place.name, number=next(self._numbers))
        self._homes[place.name] = self._first[place.name] = home

    def run(self, *, until: float) -> None:
        """Let time pass."""
        told, self._told = self._told, {}
        self.world.run(until=until, told=told)

    # --- coming and going

    def start(self, name: str, disk: dict[str, Any] | None = None) -> None:
        """The member starts, with what is on its disk."""
        place, home = self._places[name], self._homes[name]
        dice = self.world.dice(f"{name}/{self._starts}")
        self._starts += 1
        generation = self._generations.get(name, 0)
        identity = Identity(self.world.dice(f"{name}/identity/{generation}").randbytes(32))
        setup = Setup(
            identity=identity,
            keys=HOME,
            name=name,
            boot=dice.randbytes(8),
            peers=tuple(self._first[peer].address for peer in place.peers),
            relay=place.relay,
            **MEMBER,
            **remembered(disk if disk is not None else EMPTY),
        )
        node = VirtualNode(
            setup, self._addresses(home), keygen=dice.randbytes, entropy=dice, now=self.world.now, gateway=home.network
        )
        mischief = Mischief(place.lies, node, identity, self.world.dice(f"{name}/lies")) if place.lies else None
        if self._words is not None:
            self._words.listen_in(node)
        self.watch.born(name, node, now=self.world.now)
        self.nodes[name] = node
        self.world.add(name, Member(name, node, self, mischief), home.address, network=home.network)
        self._told[name] = None
        self._rewire(name)
        if self._counts.get(("unplug", name)):
            self.world.unplug(name)

    def stop(self, name: str, *, politely: bool = False) -> dict[str, Any]:
        """The member is gone; what is on its disk: killed, it has not written what it learned last."""
        self.world.remove(name)
        self._asleep.pop(name, None)
        node = self.nodes.pop(name)
        return self._disks.get(name, node.memory if politely else node.disk)

    def watched(self, name: str, node: VirtualNode) -> None:
        """The node did something: it is looked at, and what happened is noted.

        Raises:
            Broken: what must hold does not.
        """
        for event in node.seen:
            if (text := said(event)) is not None:
                self.world.journal.remark(self.world.now, name, text)
        node.seen.clear()
        self.watch.step(name, node)

    def _addresses(self, home: Home) -> tuple[tuple[str, int, str], ...]:
        return ((home.address, 24 if home.nats else 32, "eth0"),)

    # --- traffic

    def send(self, a: str, b: str) -> int | None:
        """An application at `a` sends a packet to `b`; its serial, None: one of them has no address now."""
        source, target = self.address(a), self.address(b)
        if source is None or target is None:
            return None
        serial = self.traffic.sent
        node = self.nodes[a]
        if a in self._asleep:
            return None
        self._told[a] = None
        node.send(self.traffic.make(a, b, source, target), now=self.world.now)
        self.watched(a, node)
        return serial

    def address(self, name: str) -> str | None:
        """The overlay IPv4 address that the member's device has."""
        node = self.nodes.get(name)
        if node is None or not node.tun.addresses or ":" in node.tun.addresses[0]:
            return None
        return node.tun.addresses[0].partition("/")[0]

    # --- faults

    def block(self, pairs: list[tuple[str, str]]) -> Callable[[], None]:
        """Nothing passes by these one-way streets until undone as often as done."""
        for pair in pairs:
            self._blocks[pair] = self._blocks.get(pair, 0) + 1
            self.world.block(*pair)

        def undo() -> None:
            for a, b in pairs:
                self._blocks[a, b] -= 1
                if not self._blocks[a, b] and (a, b) not in self.plan.walls and (b, a) not in self.plan.walls:
                    self.world.unblock(a, b)

        return undo

    def counted(self, what: str, name: str, on: Callable[[], None], off: Callable[[], None]) -> Callable[[], None]:
        """Do it with the first fault of that kind, undo it with the last."""
        key = (what, name)
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._counts[key] == 1:
            on()

        def undo() -> None:
            self._counts[key] -= 1
            if not self._counts[key]:
                off()

        return undo

    def rewire(self, fault: Fault) -> Callable[[], None]:
        """The host's wires are worse until undone."""
        active = self._wires.setdefault(fault.who, [])
        active.append(fault)
        self._rewire(fault.who)

        def undo() -> None:
            active.remove(fault)
            self._rewire(fault.who)

        return undo

    def _rewire(self, name: str) -> None:
        if name not in self.nodes:
            return
        link = LAN_LINK if self._homes[name].nats else WAN_LINK
        for fault in self._wires.get(name, ()):
            link = WIRES[fault.kind](link, fault.amount)
        self.world.relink(name, link)

    def down(self, name: str, back: Callable[[], None], *, politely: bool = False) -> Callable[[], None] | None:
        """The host is off until undone; None: it is off already."""
        if name not in self.nodes:
            return None
        if politely:
            node = self.nodes[name]
            self.tell(name, LeaveAsked())
            self.world.at(self.world.now + FAREWELL, lambda: self._off(name, node))
        else:
            self._disks[name] = dict(self.stop(name))
        return back

    def _off(self, name: str, node: VirtualNode) -> None:
        if self.nodes.get(name) is node:
            self._disks[name] = dict(self.stop(name, politely=True))

    def back(self, name: str, disk: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> None:
        """It starts again with what `disk` makes of its disk."""
        if name in self.nodes:
            self._off(name, self.nodes[name])
        self.start(name, disk(self._disks.pop(name, EMPTY)))

    def spoiled(self, disk: dict[str, Any]) -> dict[str, Any]:
        """A memory with flipped bits."""
        dice = self.world.dice(f"spoil {self.world.now}")
        return {key: flipped(value, dice) for key, value in disk.items()}

    def anew(self, name: str) -> None:
        """The next start is a stranger's."""
        self._generations[name] = self._generations.get(name, 0) + 1

    def move(self, name: str, home: Home) -> None:
        """The member lives elsewhere from now on."""
        before, self._homes[name] = self._homes[name], home
        if name in self.nodes:
            self.world.detach(name, before.address)
            self.world.attach(name, home.address, network=home.network)
            self._rewire(name)
            self.tell(name, AddressesChanged(self._addresses(home), home.network))

    def away(self, name: str) -> Home | None:
        """A new home behind another NAT; None: there is no room for more."""
        number = next(self._numbers, None)
        if number is None:
            return None
        kind = self.world.dice(f"away {number}").choice(AWAY)
        return build(self.world, KINDS[kind], f"{name} away {number}", number=number)

    def first(self, name: str) -> Home:
        """Where it lived at first."""
        return self._first[name]

    def nats(self, name: str) -> list[Nat]:
        """The NATs above a member now."""
        return self._homes[name].nats

    def full(self, name: str) -> Callable[[], None] | None:
        """Its disk takes nothing more until undone."""
        node = self.nodes.get(name)
        if node is None or name in self._disks:
            return None
        kept = self._disks[name] = dict(node.disk)

        def undo() -> None:
            if self._disks.get(name) is kept:
                del self._disks[name]

        return undo

    def tell(self, name: str, fact: Fact) -> None:
        """Hand a node a fact; a process that is stopped hears it when it goes on."""
        if name in self._asleep:
            self._asleep[name].append(fact)
        elif (node := self.nodes.get(name)) is not None:
            self._told[name] = None
            node.tell(fact, now=self.world.now)
            self.watched(name, node)

    def sleep(self, name: str) -> Callable[[], None] | None:
        """SIGSTOP; undone by SIGCONT. None: it is off, or stopped already."""
        node = self.nodes.get(name)
        if node is None or name in self._asleep:
            return None
        self._asleep[name] = []
        self.world.sleep(name, keeps=SOCKET_BUFFER)

        def wake() -> None:
            if self.nodes.get(name) is node:
                self._told[name] = None
                self.world.wake(name)
                for fact in self._asleep.pop(name):
                    self.tell(name, fact)

        return wake


MEMBER: dict[str, Any] = {
    "fixed_ipv4": None,
    "advertise": (),
    "punch": PunchConfig(),
    "ciphers": ("aegis128l", "aes256gcm", "chacha20poly1305"),
    "offloads": 7,
    "port": PORT,
    "dev": "overlay0",
    "mtu": 1380,
    "version": "0.1.0",
}
"""What all members of a world are set up with."""
