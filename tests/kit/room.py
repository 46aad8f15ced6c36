"""One `paths` room with a scripted engine: a neighbour, and a peer that is relayed by it."""

from __future__ import annotations

import random
from typing import Any, cast

from overlay.paths import commands as do
from overlay.paths import facts as told
from overlay.paths.endpoints import Network
from overlay.paths.paths import Paths
from overlay.routing.costs import weighed_ms
from overlay.values import Direct, Label, NodeId, Relayed
from overlay.wire.messages import Answer, Challenge
from punch.config import PunchConfig, StunConfig
from punch.events import HoleOpened
from punch.values import Endpoint, SocketId, udp
from tests.kit.scripted import ScriptedEngine

OWN, VPS, BOB = (NodeId(bytes((n,)) * 32) for n in (1, 2, 3))
HOME, VPS_END, BOB_END = udp("192.168.1.2", 27182), udp("198.51.100.1", 27182), udp("203.0.113.9", 4000)
FRESH = SocketId(9)


class Room:
    """A room with a session to vps, over which bob is relayed, and a scripted engine."""

    def __init__(self, servers: tuple[str, ...] = (), *, overlay: tuple[Network, ...] = ()) -> None:
        """The tests put ScriptedEngine in the engine's place beforehand."""
        self.now = 0.0
        stun = StunConfig(servers=servers)
        self.paths = Paths(
            own=OWN,
            overlay=overlay,
            punch=PunchConfig(),
            stun=stun,
            weigh=weighed_ms,
            entropy=random.Random(1),
            now=0.0,
        )
        self.engine = cast(ScriptedEngine, self.paths.punching._engine)
        self.out: list[do.Command] = []
        self.tell(told.SocketOpened(SocketId(1), udp("0.0.0.0", 27182)))
        self.tell(told.SocketOpened(SocketId(2), udp("0.0.0.0", 27183), role="alternate"))
        self.tell(told.AddressesChanged(((HOME.host, 24, "eth0"),), "192.168.1.1"))

    def tell(self, fact: told.Fact) -> None:
        """Tell, and answer every Challenge that goes by a way that works."""
        self.paths.tell(fact, now=self.now)
        self._drain()

    def _drain(self) -> None:
        while new := list(self.paths.commands()):
            self.out += new
            for each in new:
                if (
                    isinstance(each, do.SendOn)
                    and isinstance(each.message, Challenge)
                    and self.answers(each.where, each.pad)
                ):
                    heard = told.MessageHeard(each.peer, each.where, each.pad, Answer(each.message.token))
                    self.paths.tell(told.Heard(each.peer, each.where, each.pad, True), now=self.now)
                    self.paths.tell(heard, now=self.now)

    works: tuple[Any, ...] = (Direct(SocketId(1), VPS_END), VPS)

    def answers(self, where: Any, pad: int) -> bool:
        """Whether a Challenge of that size is answered."""
        return where in self.works

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while (at := self.paths.next_timeout()) is not None and at <= until:
            self.now = max(self.now, at)
            self.paths.handle_timeout(now=self.now)
            self._drain()
        self.now = until

    def meet(self) -> None:
        """vps directly, bob over it; probe keys of both."""
        self.tell(told.SessionUp(VPS, Direct(SocketId(1), VPS_END), Label(5), True, "203.0.113.77:1000"))
        self.tell(told.ProbeKeys(VPS, 0, b"s" * 32, b"o" * 32))
        self.tell(told.MemberKnown(BOB, ((BOB_END, "stun"),)))
        self.tell(told.CircuitReady(BOB, VPS, Label(6)))
        self.tell(told.SessionUp(BOB, Relayed(VPS, BOB), Label(7), False, None))
        self.tell(told.ProbeKeys(BOB, 3, b"a" * 32, b"b" * 32))

    def asked(self, kind: type[Any]) -> list[Any]:
        """Commands of one kind so far; they are forgotten."""
        found = [each for each in self.out if isinstance(each, kind)]
        self.out = [each for each in self.out if not isinstance(each, kind)]
        return found

    def happens(self, *events: Any) -> None:
        """The engine tells something."""
        self.engine.happens.extend(events)
        self.paths.receive(b"\x08", BOB_END, via=SocketId(1), now=self.now)
        self._drain()

    def asks(self, *commands: Any) -> None:
        """The engine asks for something."""
        self.engine.asks.extend(commands)
        self.paths.receive(b"\x08", BOB_END, via=SocketId(1), now=self.now)
        self._drain()

    def hole(self, *, works: bool, lifetime: float | None = 20.0, end: Endpoint = BOB_END) -> Direct:
        """A probe of bob came through a fresh socket."""
        where = Direct(FRESH, end)
        self.works = (*self.works, where) if works else self.works
        self.tell(told.SocketOpened(FRESH, udp("0.0.0.0", 50_000), 1, "engine"))
        self.happens(HoleOpened(BOB, FRESH, end, lifetime))
        return where

    def challenges(self, where: Direct) -> list[int]:
        """Sizes of the Challenges that went there so far; all Challenges are forgotten."""
        sent = self.asked(do.SendOn)
        return [each.pad for each in sent if isinstance(each.message, Challenge) and each.where == where]
