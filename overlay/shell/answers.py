"""What commands ask over the control socket, answered by the running node."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from overlay.dataplane.port import Pulse
from overlay.errors import NoReply, NoSuchPeer, UsageError
from overlay.node.events import Event, PongHeard, Traced
from overlay.node.facts import DetectAsked, DirectAsked, PeerPunchAsked, PingAsked, Pulsed, PunchAsked, TraceAsked
from overlay.node.snapshot import Nat
from overlay.shell.loop import Loop, clock
from overlay.shell.words import Line
from overlay.values import NodeId
from punch.config import PunchConfig

PONG_WITHIN = 2.0
"""Seconds a pong may take."""
PING_AGAIN = 0.1
"""Seconds until a ping that had no way to go is sent again, and between two looks at one that is not answered."""
TRACED_WITHIN = 10.0
"""Seconds a trace may take: hops that do not answer are waited for."""
WATCHED_EVERY = 1.0
"""Seconds between two views of `status --watch` where nothing changes: rates are shown."""
WATCHED_LEAST = 0.2
"""Seconds between two views at least: changes come in flocks."""
MOST_CHANGES = 64
"""Changes kept for whoever watches."""
FIRST_CHANGES = 8
"""So many of them are shown to somebody who begins to watch."""
MOST_PINGS = 1_000_000
"""Pings of one command at most."""
MEASURED_WITHIN = 5.0
"""Seconds `nat --again` waits for the measurement; one takes less than a second where servers answer."""
SETTLED = 1.0
"""Seconds after which nothing more is expected of a measurement: filtering comes last, where it can be decided."""
LOOK = 0.05
"""Seconds between two looks at it."""

Answered = TypeVar("Answered", PongHeard, Traced)


class Answers:
    """Answers one request after the other; each connection asks its own."""

    def __init__(self, loop: Loop, leave: Callable[[], None], gone: asyncio.Event) -> None:
        self._loop = loop
        self._leave = leave
        self._gone = gone
        self._pongs: dict[int, asyncio.Future[PongHeard]] = {}
        self._traces: dict[int, asyncio.Future[Traced]] = {}
        self._changes: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MOST_CHANGES)
        """The last lines of `join`, numbered."""
        self._bells: list[asyncio.Event] = []
        """Of those who watch."""
        self._token = 0
        self._modes: dict[NodeId, dict[str, Any]] = {}
        """Settings of single peers, until the node stops."""

    def heard(self, event: Event) -> None:
        """Events of the node that somebody may wait for."""
        if isinstance(event, PongHeard):
            future = self._pongs.pop(event.token, None)
            if future is not None and not future.done():
                future.set_result(event)
        elif isinstance(event, Traced):
            traced = self._traces.pop(event.token, None)
            if traced is not None and not traced.done():
                traced.set_result(event)

    def said(self, line: Line) -> None:
        """A line that `join` told: whoever watches sees it too."""
        at = datetime.now().astimezone().isoformat(timespec="milliseconds")
        number = self._changes[-1][0] + 1 if self._changes else 1
        self._changes.append((number, {"at": at, **msgspec.to_builtins(line)}))
        for bell in self._bells:
            bell.set()

    async def answer(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The replies to one request.

        Raises:
            UsageError: the request is none we know.
            NoSuchPeer: the peer is unknown here.
        """
        what = request.get("do")
        if what == "status":
            yield msgspec.to_builtins(self._loop.snapshot())
        elif what == "leave":
            self._leave()
            await self._gone.wait()
            yield {"ok": True}
        elif what in ("watch", "ping"):
            async with contextlib.aclosing(self._watch() if what == "watch" else self._ping(request)) as replies:
                async for reply in replies:
                    yield reply
        elif what == "trace":
            yield await self._trace(self._peer(request))
        elif what == "nat":
            yield await self._nat(again=request.get("again") is True)
        elif what == "why":
            yield self._why(self._peer(request))
        elif what in ("direct", "wake"):
            peer = self._peer(request)
            self._loop.tell(DirectAsked(peer) if what == "direct" else PingAsked(peer, self._fresh()))
            yield {"ok": True}
        elif what == "punch":
            yield self._punch(request)
        else:
            raise UsageError(f"The node does not know the request {what!r}.", "Use the same version of overlay.")

    async def _watch(self) -> AsyncGenerator[dict[str, Any]]:
        """The snapshot at each change, and each second, with what changed since the last one."""
        bell, shown = asyncio.Event(), max(0, (self._changes[-1][0] if self._changes else 0) - FIRST_CHANGES)
        self._bells.append(bell)
        try:
            while True:
                bell.clear()
                snapshot: dict[str, Any] = msgspec.to_builtins(self._loop.snapshot())
                changes = [change for number, change in self._changes if number > shown]
                shown = self._changes[-1][0] if self._changes else 0
                yield snapshot | {"changes": changes}
                await asyncio.sleep(WATCHED_LEAST)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), WATCHED_EVERY - WATCHED_LEAST)
        finally:
            self._bells.remove(bell)

    async def _trace(self, peer: NodeId) -> dict[str, Any]:
        """Every hop of the path, asked; a peer without one, in a large mesh, gets one first.

        Raises:
            NoReply: the node did not end its trace in time.
        """
        if self._loop.node.path(peer, now=clock()).kind == "none":
            await self._pong(peer)
        token = self._fresh()
        future: asyncio.Future[Traced] = asyncio.get_running_loop().create_future()
        self._traces[token] = future
        self._loop.tell(TraceAsked(peer, token))
        try:
            async with asyncio.timeout(TRACED_WITHIN):
                traced = await self._awaited(peer, future, clock())
                return {"hops": [msgspec.to_builtins(hop) for hop in traced.hops]}
        except TimeoutError:
            raise NoReply("the trace came to no end in time", "try again") from None
        finally:
            self._traces.pop(token, None)

    async def _ping(self, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        peer, count, interval = self._ping_words(request)
        sent = received = 0
        clock = asyncio.get_running_loop().time
        while sent < count:
            began = clock()
            sent += 1
            pong = await self._pong(peer)
            if pong is None:
                yield {"seq": sent, "rtt_ms": None, "path": self._path(peer)}
            else:
                received += 1
                yield {"seq": sent, "rtt_ms": round(pong.rtt_ms, 3), "path": msgspec.to_builtins(pong.path)}
            if sent < count:
                await asyncio.sleep(max(0.0, began + interval - clock()))
        yield {"sent": sent, "received": received}

    def _ping_words(self, request: dict[str, Any]) -> tuple[NodeId, int, float]:
        """The peer, how often, and how many seconds apart."""
        peer, count, interval = self._peer(request), request.get("count"), request.get("interval", 1.0)
        if count is not None and not (type(count) is int and 1 <= count <= MOST_PINGS):
            raise UsageError(f"count must be 1..{MOST_PINGS}, not {count!r}.")
        if isinstance(interval, bool) or not isinstance(interval, int | float) or not 0.01 <= interval <= 3600:
            raise UsageError(f"interval must be 0.01..3600 seconds, not {interval!r}.")
        return peer, count if count is not None else MOST_PINGS, float(interval)

    def _peer(self, request: dict[str, Any]) -> NodeId:
        """Whom a request is about.

        Raises:
            NoSuchPeer: the peer is unknown here.
        """
        text = request.get("peer")
        known = {peer.id for peer in self._loop.snapshot().peers}
        if not isinstance(text, str) or text not in known:
            raise NoSuchPeer(f"No peer with the id {text!r} is known here.", "See `overlay status`.")
        return NodeId(bytes.fromhex(text))

    def _fresh(self) -> int:
        """A token nobody waits for."""
        self._token += 1
        return self._token

    async def _pong(self, peer: NodeId) -> PongHeard | None:
        token = self._fresh()
        future: asyncio.Future[PongHeard] = asyncio.get_running_loop().create_future()
        self._pongs[token] = future
        try:
            async with asyncio.timeout(PONG_WITHIN):
                return await self._asked_until(peer, token, future)
        except TimeoutError:
            return None
        finally:
            self._pongs.pop(token, None)

    async def _asked_until(self, peer: NodeId, token: int, pong: asyncio.Future[PongHeard]) -> PongHeard:
        """Ask; again, as long as no way was there to ask on: the first ping may be what opens a session."""
        while True:
            asked = clock()
            had_way = self._loop.node.path(peer, now=asked).kind != "none"
            self._loop.tell(PingAsked(peer, token))
            if had_way:
                return await self._awaited(peer, pong, asked)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(pong), PING_AGAIN)

    async def _awaited(self, peer: NodeId, answer: asyncio.Future[Answered], asked: float) -> Answered:
        """Wait for an answer of `peer`; as long as none comes, what was asked is traffic that a path may have lost."""
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(answer), PING_AGAIN)
            self._loop.tell(Pulsed((Pulse(peer, last_tx=asked, last_rx=0.0),)))

    def _path(self, peer: NodeId) -> Any:
        return msgspec.to_builtins(self._loop.node.path(peer, now=clock()))

    # --- the punch engine ---

    async def _nat(self, *, again: bool) -> dict[str, Any]:
        """What is known of our NAT; `again`: once it is measured anew, or took too long."""
        if again:
            began = clock()
            self._loop.tell(DetectAsked())
            while (left := began + MEASURED_WITHIN - clock()) > 0:
                if _is_settled(self._loop.snapshot().self.nat, clock() - began):
                    break
                await asyncio.sleep(min(LOOK, left))
        shown = self._loop.snapshot().self
        return {
            "nat": msgspec.to_builtins(shown.nat),
            "endpoints": msgspec.to_builtins(shown.endpoints),
            "undecided": list(self._loop.node.undecided),
        }

    def _why(self, peer: NodeId) -> dict[str, Any]:
        node, now = self._loop.node, clock()
        view = node.punching(peer, now=now)
        ways: dict[str, Any] = msgspec.to_builtins(node.explain(peer, now=now))
        return {"text": view.text, "fix": list(view.fix), "attempts": list(view.journal), **ways}

    def _punch(self, request: dict[str, Any]) -> dict[str, Any]:
        """Switch the engine, or only show it.

        Raises:
            UsageError: a setting is none, or its value does not fit.
            NoSuchPeer: the peer is unknown here.
        """
        action, config = request.get("action", "show"), self._loop.node.punch_config
        if action in ("on", "off"):
            self._loop.tell(PunchAsked(msgspec.structs.replace(config, enabled=action == "on")))
        elif action == "set" and request.get("peer") is not None:
            self._set_peer(self._peer(request), request)
        elif action == "set":
            self._loop.tell(PunchAsked(_changed(config, request.get("key"), request.get("value"))))
        shown: dict[str, Any] = msgspec.to_builtins(self._loop.snapshot().punch)
        return shown

    def _set_peer(self, peer: NodeId, request: dict[str, Any]) -> None:
        """One peer's mode; whoever sets it wants the peer tried now."""
        key, value = request.get("key"), request.get("value")
        if key not in ("nat3_nat4", "nat4_nat4"):
            raise UsageError(f"{key} is set for all peers together.", "Leave the peer out.")
        _changed(PunchConfig(), key, value)
        modes = self._modes.get(peer, {}) | {str(key): value}
        self._modes[peer] = modes
        self._loop.tell(PeerPunchAsked(peer, modes.get("nat3_nat4"), modes.get("nat4_nat4")))
        if value != "off":
            self._loop.tell(DirectAsked(peer))


def _is_settled(nat: Nat, waited: float) -> bool:
    """Whether what was measured in the last `waited` seconds is all that is to be expected soon."""
    if nat.age_s is None or nat.age_s > waited:
        return nat.type == "open" and nat.age_s is None
    return nat.type in ("open", "blocked") or nat.filtering != "unknown" or nat.age_s >= SETTLED


def _changed(config: PunchConfig, key: Any, value: Any) -> PunchConfig:
    """The settings with one of them changed, checked.

    Raises:
        UsageError: there is no such setting, or the value does not fit.
    """
    if key not in PunchConfig.__struct_fields__:
        raise UsageError(f"punch has no setting {key!r}.", "See `overlay punch --help`.")
    try:
        return msgspec.convert(msgspec.structs.asdict(config) | {str(key): value}, PunchConfig)
    except msgspec.ValidationError as fault:
        raise UsageError(f"{key} cannot be {value!r}: {fault}.", "See `overlay punch --help`.") from None
