"""Whole nodes in a world of virtual time: a few lines to found a mesh, and words to ask it."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

from overlay.identity import Identity, NetworkKeys, network_keys
from overlay.node.events import Event, PongHeard
from overlay.node.facts import PingAsked
from overlay.node.setup import Setup
from overlay.node.snapshot import Peer, Snapshot
from overlay.shell.virtual import FILES, VirtualNode
from punch.config import PunchConfig
from punch.sim import Link, World
from punch.sim.host import Datagram
from punch.sim.model import NatModel
from punch.sim.nat import Nat
from punch.values import Endpoint

HOME = network_keys("home", b"k" * 32)
"""The stretched secret is what a machine is handed; Argon2id has its own tests."""


def packet(source: str, target: str, payload: bytes = b"hello") -> bytes:
    """A UDP packet without a checksum over IPv4, with zero ones over IPv6."""
    udp = struct.pack(">HHHH", 1000, 2000, 8 + len(payload), 0) + payload
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if a.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(udp), 17, 64) + a.packed + b.packed + udp
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + a.packed + b.packed + udp


class Village:
    """A world with overlay nodes in it."""

    def __init__(self, seed: int = 1, *, link: Link | None = None) -> None:
        self.world = World(seed=seed, link=link) if link is not None else World(seed=seed)
        self.nodes: dict[str, VirtualNode] = {}
        self._setups: dict[str, Setup] = {}
        self._starts = 0
        self._next_address = 1
        self._homes = 0

    def join(
        self,
        name: str,
        *peers: str,
        address: str | None = None,
        network: str = "internet",
        keys: NetworkKeys = HOME,
        resolver: dict[str, tuple[Endpoint, ...]] | None = None,
        prefix: int = 32,
        files: int = FILES,
        **changed: Any,
    ) -> VirtualNode:
        """A device joins; `peers` are names of nodes in the village, or ADDRs."""
        if address is None:
            address = f"203.0.{self._next_address >> 8}.{self._next_address & 255}"
            self._next_address += 1
        dice = self.world.dice(f"{name}/{self._starts}")
        self._starts += 1
        setup = Setup(
            identity=Identity(self.world.dice(f"{name}/identity").randbytes(32)),
            keys=keys,
            name=changed.pop("label", name),
            boot=dice.randbytes(8),
            peers=tuple(self.addresses(peer) for peer in peers),
            **(_DEFAULTS | changed),
        )
        node = VirtualNode(
            setup,
            ((address, prefix, "eth0"),),
            keygen=dice.randbytes,
            entropy=dice,
            resolver=resolver,
            files=files,
            now=self.world.now,
        )
        self.world.add(name, node, address, network=network)
        self.nodes[name] = node
        return node

    def behind(self, name: str, model: NatModel, *peers: str, **changed: Any) -> Nat:
        """A device joins at home, behind a NAT of this model; `peers` are names of nodes, or ADDRs."""
        self._homes += 1
        nat = Nat(model, f"198.51.100.{self._homes}", entropy=self.world.dice(f"{name}/nat"))
        self.world.lan(f"{name}'s home", router=nat)
        address = f"192.168.{self._homes}.2"
        self.join(name, *peers, address=address, network=f"{name}'s home", prefix=24, **changed)
        return nat

    def addresses(self, peer: str) -> str:
        """The address of a node of the village, or the text itself."""
        return self.world.addresses(peer)[0] if peer in self.nodes else peer

    def crash(self, name: str) -> VirtualNode:
        """A node is killed: nobody hears of it."""
        self.world.remove(name)
        return self.nodes.pop(name)

    def part(self, a: str, b: str) -> None:
        """No datagram passes between two nodes, either way."""
        self.world.block(a, b)
        self.world.block(b, a)

    def look(self, name: str) -> Snapshot:
        """What `overlay status --json` would show there."""
        return self.nodes[name].snapshot(now=self.world.now)

    def peer(self, name: str, other: str) -> Peer | None:
        """How `name` sees `other`."""
        id_ = self.nodes[other].node.id.hex() if other in self.nodes else None
        found = [each for each in self.look(name).peers if each.id == id_ or (id_ is None and each.name == other)]
        return found[0] if found else None

    def ping(self, a: str, b: str, *, within: float = 2.0) -> None:
        """One sealed ping passes from `a` to `b`, or the world says that it came too late."""
        token = 1_000_000 + len(self.nodes[a].seen)
        self.nodes[a].tell(PingAsked(self.nodes[b].node.id, token), now=self.world.now)
        self.world.run_until(lambda: any(each.token == token for each in self.events(a, PongHeard)), within=within)

    def trio(self, *more: str, relayed: bool = True) -> None:
        """vps, with ann and bob (and `more`) who dial it; `relayed`: those two cannot reach each other."""
        self.join("vps")
        for name in ("ann", "bob", *more):
            self.join(name, "vps")
        if relayed:
            self.part("ann", "bob")
        names = {f"{name}_vps": "direct" for name in ("ann", "bob", *more)}
        self.paths(within=5.0, ann_bob="relay via vps" if relayed else "direct", **names)
        self.world.run_for(2.0)

    def recorded(self) -> list[Datagram]:
        """Every datagram from now on, as it was sent."""
        seen: list[Datagram] = []

        def record(datagram: Datagram) -> Datagram:
            seen.append(datagram)
            return datagram

        self.world.tap(record)
        return seen

    def path(self, name: str, other: str) -> str:
        """`direct`, `relay via vps`, or what else the state is."""
        peer = self.peer(name, other)
        if peer is None:
            return "unknown"
        if peer.state != "connected":
            return peer.state
        return peer.path.kind if peer.path.kind != "relay" else f"relay via {' '.join(peer.path.via)}"

    def paths(self, *, within: float, **expected: str) -> float:
        """Run until each pair `a_b="direct"` holds in both directions; how long it took."""
        pairs = {tuple(pair.split("_")): path for pair, path in expected.items()}

        def hold() -> bool:
            return all(self.path(a, b) == path == self.path(b, a) for (a, b), path in pairs.items())

        return self.world.run_until(hold, within=within)

    def all_connected(self) -> bool:
        """Every node is connected to every other."""
        return all(
            sum(peer.state == "connected" for peer in self.look(name).peers) == len(self.nodes) - 1
            for name in self.nodes
        )

    def events(self, name: str, kind: type[Event]) -> list[Any]:
        """Events of one kind at one node so far."""
        return [event for event in self.nodes[name].seen if isinstance(event, kind)]

    def problems(self, name: str) -> list[str]:
        """Codes of the problems shown there."""
        return [problem.code for problem in self.look(name).problems]


_DEFAULTS: dict[str, Any] = {
    "fixed_ipv4": None,
    "remembered_ipv4": None,
    "sequence": 0,
    "advertise": (),
    "records": (),
    "endpoints": (),
    "relay": True,
    "punch": PunchConfig(),
    "ciphers": ("aegis128l", "aes256gcm", "chacha20poly1305"),
    "offloads": 7,
    "port": 27182,
    "dev": "overlay0",
    "mtu": 1380,
    "version": "0.1.0",
}
