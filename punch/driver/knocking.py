"""Two hosts that can exchange lines of text get a direct UDP hole.

    anna                                     ben
      {"punch":1,"id":..,"token":..}   <->     the same of his            who I am, and a token for the keys
      {"signal":[1,..]}                <->     {"signal":[1,..]} ..       what the engines say (punch.signals)
      probes, answers                 <=UDP=>                             until one comes through: the hole
      hello  -> ,  <- heard,  settled ->                                  through the hole; who begins is settled by id

The lines go by any means: copy and paste, a pipe, a chat. Keys of probes and hellos come from both tokens and the
secret: without a secret, whoever reads the lines can forge them; with one, nobody who lacks it can.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import anyio
import msgspec
from msgspec import Struct

from punch.config import PunchConfig
from punch.driver.detecting import new_engine
from punch.driver.hello import EVERY, Hellos, Way, direction_key, shared_key
from punch.driver.loop import Driver, clock
from punch.driver.names import resolve_all
from punch.events import AttemptEnded, AttemptStarted, Event, HoleOpened, ProfileChanged, ReflexiveFound
from punch.facts import (
    CandidatesChanged,
    Heard,
    HoleRefused,
    PeerDirect,
    PeerUp,
    PeerWanted,
    ServersKnown,
    SignalReceived,
)
from punch.signals import Offer, Signal, plain, read
from punch.values import Candidate, Endpoint, PeerId, SocketId, udp

VERSION = 1
LINE_LENGTH = 65_536
"""Bytes of a line that is looked at."""
MOST_HOSTS = 4
"""Public addresses of the other side that are searched in one knock."""
LINGER = 0.5
"""Seconds who begins goes on answering, should its last word have been lost."""
BY_HAND = 2.0
"""Seconds a line may be on its way before it is taken to be carried by hand."""
HAND_PACE = 8.0
"""How much slower the engine's clock goes then, for pairs that need no search: its 10 s for an answer become 80."""
REFUSED_AFTER = 3.0
"""Seconds a hole has to carry a hello there and back."""
_PERSON = PeerId(b"the person who carries the lines")
"""Who vouches for the other side's address: the person that pastes its lines."""


class KnockFailed(Exception):
    """No hole: the text says why."""


class Hole(Struct, frozen=True):
    """A direct way that a hello went through and came back by."""

    sock: socket.socket
    """The caller's from now on: non-blocking, unconnected, bound."""
    endpoint: Endpoint
    """Where the other side is reached."""
    lifetime: float | None
    """Seconds the mapping lives without traffic, if known: send something in less than half of it."""
    seconds: float
    """From the other side's first line to here."""


Say = Callable[[str], None]


async def knock(
    servers: Sequence[str],
    *,
    lines: AsyncIterator[str],
    say: Say,
    secret: str = "",
    port: int = 0,
    within: float = 300.0,
    note: Say = lambda text: None,
) -> Hole:
    """Get a hole to whoever is at the other end of `lines` (heard) and `say` (said, without newline).

    Args:
        servers: STUN servers, `HOST[:PORT]`.
        secret: what both know and the carrier of the lines does not; may be empty.
        port: local UDP port; 0: any free one.
        within: seconds at most.
        note: gets progress for people.

    Raises:
        KnockFailed: there is no hole in time, or there can be none.
        ValueError: a server's address is none.
        OSError: no server's name resolves, or the port is in use.
    """
    resolved = await resolve_all(servers)
    for each in resolved.lost:
        note(each)
    visit = _Visit(say, note, secret)
    with Driver(
        new_engine(PunchConfig(nat3_nat4="auto", nat4_nat4="auto")),
        say=visit.say_signal,
        listen=visit.hear,
        port=port,
        intercept=visit.intercept,
    ) as driver:
        visit.begin(driver, resolved.found)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(visit.read, lines)
            tasks.start_soon(visit.insist)
            hole: Hole | str = await visit.settled(within)
            tasks.cancel_scope.cancel()
    if isinstance(hole, str):
        raise KnockFailed(hole)
    return hole


class _Visit:
    """One knock: lines on one side, an engine on the other."""

    def __init__(self, say: Say, note: Say, secret: str) -> None:
        self._say = say
        self._note: Say = lambda text: note("".join(each if each.isprintable() else "?" for each in text))
        self._secret = secret
        self._own = PeerId(secrets.token_bytes(8))
        self._token = secrets.token_bytes(16)
        self._peer: PeerId | None = None
        self._first = False
        self._hellos: Hellos | None = None
        self._vouched: list[str] = []
        self._reflexive: list[Endpoint] = []
        self._lifetime: float | None = None
        self._met_at = 0.0
        self._said = ""
        self._lines: set[str] = set()
        self._by_hand = False
        self._type = "unknown"
        self._done: asyncio.Future[Way | str] = asyncio.get_running_loop().create_future()

    def begin(self, driver: Driver, servers: tuple[Endpoint, ...]) -> None:
        """Say who we are and measure what we are behind meanwhile."""
        self._driver = driver
        driver.tell(ServersKnown((), configured=servers))
        self._tell_candidates()
        hello = {"punch": VERSION, "id": self._own.hex(), "token": self._token.hex(), "at": round(time.time(), 1)}
        self._say(json.dumps(hello))
        self._note("give the lines above to the other side, and its lines to this one")

    # --- the other side's lines

    async def read(self, lines: AsyncIterator[str]) -> None:
        """Take lines until they end; what is no line of ours is passed over."""
        async for line in lines:
            try:
                heard = json.loads(line[:LINE_LENGTH])
            except (ValueError, RecursionError):
                continue
            if isinstance(heard, dict):
                self._line(heard)

    def _line(self, heard: dict[str, Any]) -> None:
        if self._peer is None and "punch" in heard:
            self._meet(heard)
        elif self._peer is not None and "signal" in heard:
            try:
                signal = read(heard["signal"])
            except msgspec.ValidationError as error:
                self._note(f"a line was not understood: {error}")
                return
            if isinstance(signal, Offer):
                self._offered(signal)
            self._driver.tell(SignalReceived(self._peer, signal))

    def _meet(self, heard: dict[str, Any]) -> None:
        try:
            peer, token = bytes.fromhex(heard["id"]), bytes.fromhex(heard["token"])
        except (KeyError, TypeError, ValueError):
            return
        if peer == self._own:
            self._note("these are this side's own lines: give it the other side's")
            return
        if heard["punch"] != VERSION:
            self._note(f"the other side speaks version {heard['punch']!r}, this one {VERSION}")
            return
        self._slow_down(heard.get("at"))
        self._peer = PeerId(peer)
        self._met_at = clock()
        root = shared_key(self._secret, self._token, token)
        seal, opened = direction_key(root, self._own, peer), direction_key(root, peer, self._own)
        first = self._own < peer
        self._first = first
        self._hellos = Hellos(seal, opened, first=first, nonce=partial(secrets.token_bytes, 8))
        self._driver.tell(PeerUp(self._peer, seal, opened, 0, first))
        self._driver.tell(PeerWanted(self._peer, "demand"))

    def _slow_down(self, at: object) -> None:
        """A line that was long on its way is carried by hand, and so will be the next ones."""
        if isinstance(at, int | float) and at < time.time() - BY_HAND:
            self._by_hand = True
            self._driver.pace.slow(HAND_PACE)

    def _offered(self, offer: Offer) -> None:
        """The person who carries the lines stands for the address they name; a search needs the true clock."""
        if self._by_hand and "NAT4" in (offer.profile.type, self._type):
            self._driver.pace.slow(1.0)
        reflexive = offer.profile.reflexive
        hosts = [*offer.profile.hosts[:1], *([reflexive.host] if reflexive else [])]
        for host in hosts:
            if self._peer is not None and host not in self._vouched and len(self._vouched) < MOST_HOSTS:
                self._vouched.append(host)
                self._driver.tell(Heard(self._peer, host, _PERSON))

    # --- the engine

    def say_signal(self, peer: PeerId, signal: Signal) -> None:
        """What our engine says, as a line; what it repeats against loss is said once, for lines do not get lost."""
        line = msgspec.json.encode({"signal": plain(signal)}).decode()
        if line not in self._lines:
            self._lines.add(line)
            self._say(line)

    def hear(self, event: Event) -> None:
        """What happened in our engine."""
        if isinstance(event, ReflexiveFound):
            if event.endpoint not in self._reflexive:
                self._reflexive.append(event.endpoint)
                self._tell_candidates()
        elif isinstance(event, ProfileChanged):
            self._type = event.profile.type
            self._said = f"this side is behind {self._type}"
        elif isinstance(event, AttemptStarted):
            self._note(f"attempt {event.number}: {event.strategy}")
        elif isinstance(event, AttemptEnded):
            self._said = event.text
            self._note(event.text)
            if event.state in ("infeasible", "off") and not self._done.done():
                self._done.set_result(event.text)
        elif isinstance(event, HoleOpened) and self._hellos is not None:
            self._lifetime = event.lifetime
            self._note(f"a probe came through: {event.endpoint}")
            self._hellos.found(event.via, event.endpoint)
            asyncio.get_running_loop().call_later(REFUSED_AFTER, self._refuse, event)

    def _refuse(self, hole: HoleOpened) -> None:
        if not self._done.done():
            self._driver.tell(HoleRefused(hole.peer, hole.via, hole.endpoint))

    def _tell_candidates(self) -> None:
        local = [Candidate(udp(host, self._driver.port), "local") for host in self._driver.addresses]
        public = [Candidate(endpoint, "stun") for endpoint in self._reflexive]
        self._driver.tell(CandidatesChanged(tuple([*public, *local][:12])))

    # --- through the hole

    def intercept(self, payload: bytes, source: Endpoint, via: SocketId) -> bool:
        """Hellos are ours, all else is the engine's."""
        if self._hellos is None:
            return False
        answer = self._hellos.receive(payload, source, via)
        if answer is None:
            return False
        for command in answer:
            self._driver.send(command)
        self._look()
        return True

    async def insist(self) -> None:
        """Say hello again, and want the path, as long as nothing is settled."""
        wanted_at = 0.0
        while True:
            if self._hellos is not None and self._peer is not None:
                for command in self._hellos.due():
                    self._driver.send(command)
                if clock() >= wanted_at:
                    wanted_at = clock() + 1.0
                    self._driver.tell(PeerWanted(self._peer, "traffic"))
                    for host in self._vouched:  # a word holds for a while, this person's as long as they wait
                        self._driver.tell(Heard(self._peer, host, _PERSON))
            await anyio.sleep(EVERY)

    async def settled(self, within: float) -> Hole | str:
        """The hole, once a hello went there and back, or why there is none."""
        with anyio.move_on_after(within):
            way = await self._done
            if isinstance(way, str):
                return way
            seconds = clock() - self._met_at
            if self._first:
                await anyio.sleep(LINGER)
            sock = self._driver.take(way[0])
            return Hole(sock, way[1], self._lifetime, seconds) if sock else "the socket of the hole was closed"
        return self._why_not(within)

    def _look(self) -> None:
        if self._hellos is None or self._peer is None or self._hellos.way is None or self._done.done():
            return
        self._done.set_result(self._hellos.way)
        self._driver.tell(PeerDirect(self._peer, True))

    def _why_not(self, within: float) -> str:
        """Why there is no hole yet."""
        if self._peer is None:
            return f"no line of the other side came in {within:g} s"
        return f"no hole in {within:g} s" + (f": {self._said}" if self._said else "")
