"""Words for NATs and for what punching does, made of the fields of `status --json`.

nat    type mapping filtering allocation step   ->  brief "NAT4 +1", label, sentence, axes
punch  state strategy probes planned retry_s    ->  "(trying: 61 of 1,750 ports)", "; goes direct when used"
"""

from __future__ import annotations

from overlay.cli.units import duration
from overlay.control.protocol import Json
from overlay.logs import clean

_KINDS = {
    "NAT1": ("full cone", "whoever knows its outside port reaches it"),
    "NAT2": ("address restricted", "whoever it wrote to reaches it, from any port"),
    "NAT3": ("port restricted", "both sides have to write first, which two such NATs do in a moment"),
    "NAT4": ("symmetric", "every peer sees another outside port of it"),
}
_MAPPING = {
    "eim": "one outside port for all peers (endpoint-independent)",
    "adm": "one outside port for each address (address-dependent)",
    "apdm": "one outside port for each address and port (address-and-port-dependent)",
}
_FILTERING = {
    "eif": "lets everybody in (endpoint-independent)",
    "adf": "lets in addresses it wrote to (address-dependent)",
    "apdf": "lets in address and port it wrote to (address-and-port-dependent)",
}
_ALLOCATION = {
    "preserving": "outside ports equal the inside ones",
    "sequential": "outside ports count by {step}",
    "block": "outside ports come from a narrow block",
    "cluster": "outside ports lie near one another",
    "uniform": "outside ports are random",
}
_BRIEF = {"preserving": "same port", "block": "block", "cluster": "cluster", "uniform": "random"}


def nat_brief(nat: Json) -> str:
    """`NAT3`, `NAT4 +1`, `NAT4 random`, `open`; empty if unknown."""
    kind = str(nat["type"])
    if kind == "unknown":
        return ""
    if kind != "NAT4":
        return clean(kind)
    how = _step(nat) if nat["allocation"] == "sequential" else _BRIEF.get(nat["allocation"], "")
    return clean(f"{kind} {how}".rstrip())


def nat_label(nat: Json) -> str:
    """`NAT4 symmetric, outside ports count by +1`: the node's own label, else one of the axes; empty if unknown."""
    if nat["label"]:
        return clean(str(nat["label"]))
    kind = str(nat["type"])
    if kind not in _KINDS:
        return {"open": "none, a public address", "blocked": "UDP is blocked"}.get(kind, "")
    ports = _ports(nat)
    return f"{kind} {_KINDS[kind][0]}{f', {ports}' if ports and kind == 'NAT4' else ''}"


def nat_sentence(nat: Json) -> str:
    """What this device is behind, in one sentence."""
    kind = str(nat["type"])
    if kind == "open":
        return "This device has a public address, with no NAT in front of it."
    if kind == "blocked":
        return "No UDP comes back to this device: a firewall blocks it, or no server is there."
    if kind not in _KINDS:
        return "What NAT this device is behind is not known yet."
    name, means = _KINDS[kind]
    ports = f"; {_ports(nat)}" if kind == "NAT4" and _ports(nat) else ""
    return f"This device is behind a {name} NAT ({kind}): {means}{ports}."


def nat_axes(nat: Json) -> list[tuple[str, str]]:
    """The RFC 4787 axes, each in words; what is not decided says so."""
    if nat["type"] in ("open", "blocked", "unknown"):
        return []
    return [
        ("mapping", _MAPPING.get(nat["mapping"], "not decided")),
        ("filtering", _FILTERING.get(nat["filtering"], "not decided, taken for the strictest")),
        ("allocation", _ports(nat) or "not decided"),
    ]


def tried_words(peer: Json, *, enabled: bool) -> str:
    """What punching does for a peer on a relay, to stand behind `relay via vps`."""
    punch = peer["punch"]
    state = punch["state"]
    if not enabled:
        return "; punching is off"
    if state == "running" and not (punch["planned"] or punch["probes"] or punch["strategy"]):
        return "; asking what it is behind"
    if state == "running":
        return f" (trying: {progress(punch)})"
    if state == "failed":
        again = f"in {duration(punch['retry_s'])}" if punch["retry_s"] is not None else "when used"
        return f" (failed; tried again {again})"
    return {"idle": "; goes direct when used", "infeasible": " (infeasible)", "off": "; not tried"}.get(state, "")


def progress(punch: Json) -> str:
    """`61 of 1,750 ports`, or as much of it as there is."""
    if punch["planned"]:
        return f"{punch['probes']:,} of {punch['planned']:,} ports"
    strategy = clean(strategy_words(punch["strategy"]))
    return f"{strategy}, {punch['probes']:,} packets" if strategy else f"{punch['probes']:,} packets"


def ended_words(punch: Json) -> str:
    """The fixed words of an attempt that came to nothing: `failed: no hit`; empty for all others."""
    if punch["state"] not in ("failed", "infeasible", "off"):
        return ""
    words = [str(punch["state"]), clean(str(punch["reason"] or "")).replace("_", " ")]
    return ": ".join(dict.fromkeys(word for word in words if word))


def tried_note(peer: Json, *, enabled: bool) -> str:
    """Why it is not direct, for a line of its own; empty where `tried_words` says it all."""
    punch = peer["punch"]
    if not enabled or punch["state"] not in ("failed", "infeasible", "off") or not punch["text"]:
        return ""
    lead = "infeasible: " if punch["state"] == "infeasible" else ""
    return lead + clean(str(punch["text"]))


def strategy_words(strategy: str | None) -> str:
    """A strategy's name as people read it: `anchor_walk` is `anchor walk`."""
    return clean(strategy or "").replace("_", " ")


def _ports(nat: Json) -> str:
    return _ALLOCATION.get(str(nat["allocation"]), "").format(step=_step(nat) or "a fixed step")


def _step(nat: Json) -> str:
    return f"{nat['step']:+d}" if isinstance(nat["step"], int) and nat["step"] else ""
