"""What commands ask over the control socket, answered by the running node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from overlay.errors import NoSuchPeer, UsageError
from overlay.node.events import Event, PongHeard
from overlay.node.facts import PingAsked
from overlay.node.snapshot import Path
from overlay.shell.loop import Loop
from overlay.values import NodeId

PONG_WITHIN = 2.0
"""Seconds a pong may take."""
MOST_PINGS = 1_000_000
"""Pings of one command at most."""


class Answers:
    """Answers one request after the other; each connection asks its own."""

    def __init__(self, loop: Loop, leave: Callable[[], None], gone: asyncio.Event) -> None:
        self._loop = loop
        self._leave = leave
        self._gone = gone
        self._pongs: dict[int, asyncio.Future[PongHeard]] = {}
        self._token = 0

    def heard(self, event: Event) -> None:
        """Events of the node that somebody may wait for."""
        if isinstance(event, PongHeard):
            future = self._pongs.pop(event.token, None)
            if future is not None and not future.done():
                future.set_result(event)

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
        elif what == "ping":
            async for reply in self._ping(request):
                yield reply
        else:
            raise UsageError(f"The node does not know the request {what!r}.", "Use the same version of overlay.")

    async def _ping(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
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
        text, count, interval = request.get("peer"), request.get("count"), request.get("interval", 1.0)
        known = {peer.id for peer in self._loop.snapshot().peers}
        if not isinstance(text, str) or text not in known:
            raise NoSuchPeer(f"No peer with the id {text!r} is known here.", "See `overlay status`.")
        if count is not None and not (type(count) is int and 1 <= count <= MOST_PINGS):
            raise UsageError(f"count must be 1..{MOST_PINGS}, not {count!r}.")
        if isinstance(interval, bool) or not isinstance(interval, int | float) or not 0.01 <= interval <= 3600:
            raise UsageError(f"interval must be 0.01..3600 seconds, not {interval!r}.")
        return NodeId(bytes.fromhex(text)), count if count is not None else MOST_PINGS, float(interval)

    async def _pong(self, peer: NodeId) -> PongHeard | None:
        self._token += 1
        token = self._token
        future: asyncio.Future[PongHeard] = asyncio.get_running_loop().create_future()
        self._pongs[token] = future
        self._loop.tell(PingAsked(peer, token))
        try:
            async with asyncio.timeout(PONG_WITHIN):
                return await future
        except TimeoutError:
            return None
        finally:
            self._pongs.pop(token, None)

    def _path(self, peer: NodeId) -> Any:
        shown = next((each.path for each in self._loop.snapshot().peers if each.id == peer.hex()), None)
        none = Path(kind="none", transport=None, endpoint=None, via=[], hops=None, since_s=None)
        return msgspec.to_builtins(shown or none)
