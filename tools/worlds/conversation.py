"""What a datagram of a world says, in a word or two, and what happened at each node, for the diagram of a replay.

payload -> `m1`, `data 3 of epoch 0`, `Challenge 1200 B`          event -> `p1 is reached relay via p0`
"""

from __future__ import annotations

from typing import Any

from overlay.node import events as happened
from overlay.shell.virtual import VirtualNode
from overlay.wire.frame import CONTROL, COOKIE, DATA, HANDSHAKE, HEADER, HEADER_SIZE, PROBE, PROBE_ANSWER, STUN_LAST
from tools.worlds import inside

HEAD = 24
"""Bytes of a sealed body that tell it apart from others."""
MOST_HEADS = 20_000
_PLAIN = {COOKIE: "cookie", PROBE: "probe", PROBE_ANSWER: "probe answer"}


class Words:
    """Reads a conversation: it is told what nodes seal, since it cannot open it."""

    def __init__(self) -> None:
        self._said: dict[bytes, str] = {}

    def listen_in(self, node: VirtualNode) -> None:
        """Know from now on what this node seals."""
        session: Any = inside.rooms(node).session
        seal = session.seal

        def heard(peer: Any, message: Any, **more: Any) -> Any:
            sealed = seal(peer, message, **more)
            if sealed is not None:
                if len(self._said) >= MOST_HEADS:
                    del self._said[next(iter(self._said))]
                self._said[bytes(sealed.body[:HEAD])] = type(message).__name__
            return sealed

        setattr(session, "seal", heard)  # noqa: B010

    def describe(self, payload: bytes) -> str:
        """A payload in a word or two."""
        size = f"{len(payload)} B"
        if not payload:
            return "nothing"
        kind = payload[0]
        if kind <= STUN_LAST:
            return f"STUN {size}"
        if kind == HANDSHAKE and len(payload) > 1:
            return f"m{payload[1]}"
        if kind not in (DATA, CONTROL) or len(payload) < HEADER_SIZE:
            return f"{_PLAIN.get(kind, f'frame of type {kind}')} {size}"
        _, index, count, epoch, label, counter = HEADER.unpack_from(payload)
        piece = f" {index + 1}/{count}" if count > 1 else ""
        what = self._said.get(payload[HEADER_SIZE : HEADER_SIZE + HEAD], "control" if kind == CONTROL else "data")
        return f"{what}{piece} to {label:08x} {epoch}.{counter} {size}"


def said(event: happened.Event) -> str | None:
    """What happened, for a note beside its node; None: not worth one."""
    match event:
        case happened.PeerJoined(_, name, path):
            return f"{name} joined, {_way(path)}"
        case happened.PathChanged(_, name, path):
            return f"{name} is reached {_way(path)}"
        case happened.PeerGone(_, name):
            return f"{name} {'left' if event.left else 'is silent'}"
        case happened.ProblemShown(code):
            return f"problem {code}"
        case happened.NodeUp(_, ipv4):
            return f"up as {ipv4}"
    return None


def _way(path: Any) -> str:
    return f"relay via {' '.join(path.via)}" if path.kind == "relay" else str(path.kind)
