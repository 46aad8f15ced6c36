"""What happened, in words for the person who started the node: one line a change of state."""

from __future__ import annotations

from overlay.node import events as happened
from overlay.node.snapshot import Path


def path_words(path: Path) -> str:
    """How a peer is reached: `direct 1.2.3.4:5`, `relay via vps`, `no way yet`."""
    if path.kind == "direct":
        return f"direct {path.endpoint}"
    if path.kind == "relay":
        return f"relay via {', '.join(path.via)}"
    return "no way yet"


def address_words(event: happened.NodeUp) -> str:
    """Another address, and why."""
    why = f" ({event.why})" if event.why else ""
    return f"{event.name} has the address {event.ipv4} now{why}"


def words_for(event: happened.Event) -> tuple[str, str, str | None] | None:
    """(fixed word, text, peer) of an event; None for what nobody needs to read."""
    match event:
        case happened.PeerJoined():
            return "peer_up", f"{event.name} is here: {path_words(event.path)}", event.name
        case happened.PathChanged():
            return "path", f"{event.name}: {path_words(event.path)}", event.name
        case happened.PunchEnded(state="failed" | "infeasible"):
            return "punch", f"{event.name} stays on the relay: {event.text}", event.name
        case happened.PeerGone():
            return "peer_gone", f"{event.name} {'left' if event.left else 'fell silent'}", event.name
        case happened.ProblemShown():
            return "problem", ". ".join(part.removesuffix(".") for part in (event.text, event.fix) if part), None
        case happened.ProblemGone():
            return "problem_over", f"solved: {event.code.replace('_', ' ')}", None
        case _:
            return None
