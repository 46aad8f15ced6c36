"""A node that is only an ear: the real control server with canned answers, on a real socket, in a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
from anyio.from_thread import start_blocking_portal

from overlay.control.server import Answer, ControlSocket
from overlay.errors import OverlayError
from overlay.node import snapshot as shapes

Json = dict[str, Any]

IDS = {name: f"{number:02x}" * 32 for number, name in ((0xA1, "vps"), (0xA2, "phone"), (0xB3, "nas"), (0xC4, "laptop"))}

RELAY: Json = {"kind": "relay", "transport": None, "endpoint": None, "via": ["vps"], "hops": 2, "since_s": 240.0}
DIRECT: Json = {
    "kind": "direct",
    "transport": "udp",
    "endpoint": "203.0.113.9:27182",
    "via": [],
    "hops": 1,
    "since_s": 7380.0,
}
NONE: Json = {"kind": "none", "transport": None, "endpoint": None, "via": [], "hops": None, "since_s": None}


def peer(who: str, number: int, **other: object) -> Json:
    """A connected peer on a direct path."""
    fields: Json = {
        "id": IDS[who],
        "name": who,
        "ipv4": f"10.222.7.{number}",
        "ipv6": f"fd3a::{number}",
        "state": "connected",
        "version": "0.1.0",
        "seen_s": 0.5,
        "path": DIRECT,
        "rtt_ms": 12.34,
        "jitter_ms": 0.4,
        "loss": 0.0,
        "rx_bytes": 1_234_567_890,
        "tx_bytes": 20_000_000,
        "handshake_s": 60.0,
        "nat": msgspec.to_builtins(shapes.Nat()),
        "punch": msgspec.to_builtins(shapes.PunchState()),
    }
    return fields | other


def status(*peers: Json, **other: object) -> Json:
    """What a node says of itself, in the shape of the real snapshot."""
    made = shapes.Snapshot(
        version="0.1.0",
        network=shapes.Network("home", 1 + len([each for each in peers if each["state"] != "gone"])),
        self=shapes.Self(
            id=IDS["laptop"],
            name="laptop",
            ipv4="10.222.7.1",
            ipv6="fd3a::1",
            dev="overlay0",
            mtu=1380,
            port=27182,
            uptime_s=8040.0,
            endpoints=[
                shapes.OwnEndpoint("192.168.1.5:27182", "local"),
                shapes.OwnEndpoint("198.51.100.4:5", "public"),
            ],
            nat=shapes.Nat(),
        ),
        peers=[],
        punch=shapes.Punch(nat3_nat4="auto", nat4_nat4="off", max_entries=1000, max_pps=100),
        drops={},
    )
    built: Json = msgspec.to_builtins(made)
    return built | {"peers": list(peers)} | other


def home() -> Json:
    """A direct peer, a relayed one, one that is gone."""
    relayed = peer("phone", 9, path=RELAY, rtt_ms=48.0, loss=0.021, rx_bytes=3_100_000, tx_bytes=1_100)
    gone = peer("nas", 3, state="gone", path=NONE, rtt_ms=None, jitter_ms=None, loss=None, seen_s=10_800.0)
    return status(peer("vps", 2), relayed, gone)


class FakeNode:
    """Answers `status` with `snapshot`, `ping` with `pongs`, `why` with `told` and so on, `leave` by ending."""

    def __init__(self, path: Path, snapshot: Json | None = None, pongs: list[Json] | None = None) -> None:
        self.path = path
        self.snapshot = snapshot or home()
        self.pongs: list[Json] = pongs if pongs is not None else [{"rtt_ms": 12.3, "path": RELAY}]
        """Replies in turn, without their seq; the last one again and again."""
        self.told: Json = {"text": None, "fix": [], "attempts": []}
        """The answer to `why`."""
        self.hops: list[Json] = []
        """The answer to `trace`."""
        self.changes: list[Json] = []
        """What `watch` tells of, one after the other; then it is silent for `watched_s` and ends."""
        self.watched_s = 60.0
        self.undecided: list[str] = []
        """What `nat` could not decide."""
        self.asked: list[Json] = []
        self.ear: ControlSocket | None = None

    async def answer(self, request: Json) -> AsyncIterator[Json]:
        self.asked.append(request)
        if request["do"] == "status":
            yield self.snapshot
        elif request["do"] == "watch":
            for changes in [[], *([each] for each in self.changes)]:
                yield self.snapshot | {"changes": changes}
                await anyio.sleep(0.005)
            await anyio.sleep(self.watched_s)
        elif request["do"] == "trace":
            yield {"hops": self.hops}
        elif request["do"] in ("direct", "wake"):
            yield {"ok": True}
        elif request["do"] == "leave":
            yield {"ok": True}
            if self.ear:
                self.ear.close()
        elif request["do"] == "nat":
            own = self.snapshot["self"]
            yield {
                "nat": own["nat"] | ({"age_s": 0.0} if request["again"] else {}),
                "endpoints": own["endpoints"],
                "undecided": self.undecided,
            }
        elif request["do"] == "why":
            yield self.told
        elif request["do"] == "punch":
            yield self._switch(request)
        else:
            async for reply in self._pings(request):
                yield reply

    def _switch(self, request: Json) -> Json:
        """Do as a node does, for all peers; for one it changes nothing that is shown."""
        punch: Json = self.snapshot["punch"]
        if request["action"] in ("on", "off"):
            punch["enabled"] = request["action"] == "on"
        elif request["action"] == "set" and request["peer"] is None:
            punch[request["key"]] = request["value"]
        return punch

    async def _pings(self, request: Json) -> AsyncIterator[Json]:
        count, received = request["count"] or 1_000_000, 0
        for seq in range(1, count + 1):
            pong = self.pongs[min(seq, len(self.pongs)) - 1]
            if "error" in pong:
                raise OverlayError(pong["error"], "mend it", code="mended", exit_code=6)
            received += pong["rtt_ms"] is not None
            yield {"seq": seq, **pong}
            await anyio.sleep(0.005)
        yield {"sent": count, "received": received}


@contextmanager
def listening(path: Path, answer: Answer) -> Iterator[ControlSocket]:
    """The real server at `path`, handing requests to `answer`."""
    ear = ControlSocket(path)
    try:
        with start_blocking_portal() as portal:
            serving = portal.start_task_soon(ear.serve, answer)
            try:
                yield ear
            finally:
                serving.cancel()
    finally:
        ear.close()


@contextmanager
def running(node: FakeNode) -> Iterator[FakeNode]:
    """The fake node, listening."""
    with listening(node.path, node.answer) as ear:
        node.ear = ear
        yield node
