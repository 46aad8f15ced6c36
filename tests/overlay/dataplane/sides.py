"""Movers with a memory TUN and sockets whose every call a test decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from overlay.dataplane import port
from overlay.dataplane.abi import ACCEPT_ALL, SOL_UDP, UDP_GRO, UDP_SEGMENT
from overlay.dataplane.edges import Address, Ancillary, Buffer, Inlet, Outlet
from overlay.dataplane.movers import Movers
from overlay.tun.memory import MemoryTun
from overlay.values import Label, NodeId
from punch.values import Endpoint, SocketId, udp
from tests.overlay.dataplane.packets import packed

SIZE = 1452


class FakeSocket:
    """Keeps what is sent, gives what is put, fails when told."""

    def __init__(self, id_: int = 1) -> None:
        self.id = SocketId(id_)
        self.sent: list[bytes] = []
        """One a call: the bytes and, where the kernel was to cut them, the size."""
        self.sizes: list[int] = []
        self.to: list[Endpoint] = []
        self.controls: list[list[Ancillary]] = []
        self.fail: deque[OSError | None] = deque()
        """What the next calls raise."""
        self.refuse: Callable[[bytes, int], OSError | None] = lambda frames, size: None
        """Decides by what is sent, after `fail`."""
        self.batches: deque[tuple[bytes, int, Endpoint] | OSError] = deque()
        self.extra: list[Ancillary] = []
        self.outlet = Outlet(self.id, self.sendmsg, lambda endpoint: endpoint)
        self.inlet = Inlet(self.id, self.recvmsg_into, lambda address: address)

    def sendmsg(self, pieces: Sequence[Buffer], control: Sequence[Ancillary], flags: int, to: Address) -> int:
        frames = b"".join(pieces)
        size = len(frames)
        for level, kind, data in control:
            if (level, kind) == (SOL_UDP, UDP_SEGMENT):
                size = int.from_bytes(data, "little")
        error = self.fail.popleft() if self.fail else self.refuse(frames, size)
        if error is not None:
            raise error
        self.sent.append(frames)
        self.sizes.append(size)
        self.to.append(to)
        self.controls.append(list(control))
        return len(frames)

    def recvmsg_into(self, into: Sequence[memoryview], room: int) -> tuple[int, list[Ancillary], int, Address]:
        if not self.batches:
            raise BlockingIOError
        batch = self.batches.popleft()
        if isinstance(batch, OSError):
            raise batch
        frames, size, source = batch
        into[0][: len(frames)] = frames
        gro = [(SOL_UDP, UDP_GRO, size.to_bytes(4, "little"))] if size < len(frames) else []
        return len(frames), [*gro, *self.extra], 0, source

    def datagrams(self) -> list[bytes]:
        """What was sent, as datagrams on the wire."""
        return [
            frames[at : at + size]
            for frames, size in zip(self.sent, self.sizes, strict=True)
            for at in range(0, len(frames), size)
        ]


def node(number: int) -> NodeId:
    return NodeId(bytes((number,)) * 32)


def label(owner: int, peer: int) -> Label:
    """The label `owner` gave the link from `peer`."""
    return Label(0x01000000 * owner + peer)


def endpoint(number: int) -> Endpoint:
    return udp(f"192.0.2.{number}", 27182)


def inner(number: int) -> tuple[str, str]:
    return f"10.9.0.{number}", f"fd09::{number}"


def key(seals: int, opens: int, epoch: int = 0) -> bytes:
    return bytes((seals, opens, epoch)) + bytes(29)


class Side:
    """One node: number n has the inner addresses 10.9.0.n and fd09::n, and the endpoint 192.0.2.n:27182."""

    def __init__(self, number: int, offloads: int = ACCEPT_ALL) -> None:
        self.number = number
        self.now = 1000.0
        self.tun = MemoryTun(offloads=offloads)
        self.socket = FakeSocket()
        self.frames: list[tuple[bytes, Endpoint, SocketId]] = []
        self.facts: list[port.Fact] = []
        self.blocked: list[Outlet] = []
        self.movers = Movers(
            self.tun,
            receive=lambda payload, source, via: self.frames.append((payload, source, via)),
            tell=self.facts.append,
            blocked=self.blocked.append,
        )
        self.movers.add_outlet(self.socket.outlet)
        self.apply(port.PutSelf(tuple(packed(each) for each in inner(number))))

    def apply(self, *commands: port.Command) -> None:
        for command in commands:
            self.movers.apply(command, now=self.now)

    def routes(self, peer: int) -> None:
        for address in inner(peer):
            self.apply(port.PutRoute(packed(address), node(peer)))

    def keys(self, peer: int, epoch: int = 0, cipher: str = "aes256gcm") -> None:
        self.apply(
            port.PutKeys(
                peer=node(peer),
                cipher=cipher,
                open_epoch=epoch,
                open_key=key(peer, self.number, epoch),
                seal_epoch=epoch,
                seal_key=key(self.number, peer, epoch),
            ),
            port.PutLabel(label(self.number, peer), node(peer), False),
        )

    def way(
        self, peer: int, *, size: int = SIZE, limit: int = port.FULL_ENVELOPE, via: int = 1, parity: int = 0
    ) -> port.Way:
        return port.Way(SocketId(via), endpoint(peer), label(peer, self.number), size, limit, parity=parity)

    def meet(self, peer: int, **way: int) -> None:
        """Everything needed to talk to `peer`."""
        self.routes(peer)
        self.keys(peer)
        self.apply(port.PutWay(node(peer), (self.way(peer, **way),)))

    def pump(self) -> None:
        """Move all there is."""
        while self.movers.uplink.pump(8, now=self.now):
            pass
        while self.movers.downlink.pump(self.socket.inlet, 8, now=self.now):
            pass
        while self.movers.uplink.pump(8, now=self.now):
            pass
        self.movers.hand_over()

    def hear(self, frames: bytes, size: int | None = None, *, source: Endpoint | None = None, by: int = 2) -> None:
        """A batch of datagrams of `size` bytes comes in."""
        self.socket.batches.append((frames, size or max(1, len(frames)), source or endpoint(by)))
        self.pump()

    def hear_all(self, other: Side) -> None:
        """Everything `other` sent since last asked comes in, batch by batch."""
        sent = list(zip(other.socket.sent, other.socket.sizes, strict=True))
        other.socket.sent.clear()
        other.socket.sizes.clear()
        for frames, size in sent:
            self.hear(frames, size, by=other.number)

    def taken(self) -> list[bytes]:
        """Records the TUN got since last asked."""
        records = list(self.tun.taken)
        self.tun.taken.clear()
        return records

    @property
    def drops(self) -> dict[str, int]:
        return self.movers.counters(now=self.now).drops

    def counters(self, peer: int) -> port.PeerCounters:
        return self.movers.counters(now=self.now).peers[node(peer)]


def two(**way: int) -> tuple[Side, Side]:
    """Nodes 1 and 2 that can talk to one another."""
    one, other = Side(1), Side(2)
    one.meet(2, **way)
    other.meet(1, **way)
    return one, other
