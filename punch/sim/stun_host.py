"""A public member of a world: it answers STUN on PORT and PORT + 1, hears who is where, and obeys a Touch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from punch.commands import SendDatagram
from punch.config import StunConfig
from punch.detect.answer import Answerer, touch
from punch.facts import SocketOpened
from punch.signals import Signal, Touch
from punch.sim.engine_host import HELLO, PORT
from punch.sim.host import Datagram
from punch.values import Endpoint, PeerId, SocketId, udp


class StunHost:
    """At these public addresses; `heard` is told of a peer and the address its first word came from."""

    def __init__(self, *addresses: str, heard: Callable[[PeerId, str], None]) -> None:
        self.main = udp(addresses[0], PORT)
        self._answerer = Answerer(StunConfig(), now=0.0)
        self._locals: dict[SocketId, Endpoint] = {}
        self._ids: dict[Endpoint, SocketId] = {}
        self._heard = heard
        self._peers: dict[PeerId, str] = {}
        self._out: deque[Datagram] = deque()
        for address in addresses:
            self._bind(udp(address, PORT), alternate=False)
            self._bind(udp(address, PORT + 1), alternate=True)

    def signalled(self, peer: PeerId, signal: Signal) -> None:
        """A signal came: a Touch is obeyed if its sender was heard."""
        host = self._peers.get(peer)
        if isinstance(signal, Touch) and host is not None:
            said = touch(signal, host=host, via=self._ids[self.main])
            self._send([said] if said is not None else [])

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """A question, or a peer's word."""
        if payload.startswith(HELLO):
            peer = payload.removeprefix(HELLO)
            self._peers[peer] = source.host
            self._heard(peer, source.host)
        elif (via := self._ids.get(to)) is not None:
            self._send(self._answerer.receive(payload, source, via=via, now=now))

    def next_timeout(self) -> float | None:
        """Nothing is ever due."""
        return None

    def handle_timeout(self, *, now: float) -> None:
        """Nothing is ever due."""

    def outgoing(self) -> Iterator[Datagram]:
        """Drain the answers."""
        while self._out:
            yield self._out.popleft()

    def _send(self, commands: list[SendDatagram]) -> None:
        self._out.extend(Datagram(self._locals[each.via], each.to, each.payload, each.ttl) for each in commands)

    def _bind(self, local: Endpoint, *, alternate: bool) -> None:
        socket = SocketId(len(self._locals) + 1)
        self._locals[socket] = local
        self._ids[local] = socket
        self._answerer.tell(SocketOpened(socket, local, role="alternate" if alternate else "main"))
