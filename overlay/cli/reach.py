"""What `status --json` says of NATs and punching, for people; the words themselves are those of `punch.detect.words`.

nat    type mapping filtering allocation step   ->  brief "NAT4 +1", label, sentence, axes
punch  state strategy probes planned retry_s    ->  "(trying: 61 of 1,750 ports)", "; goes direct when used"
"""

from __future__ import annotations

from overlay.cli.units import duration
from overlay.control.protocol import Json
from overlay.logs import clean
from punch.detect.words import BRIEF, KINDS, an, name, ports_words, reason_words, step_words, strategy_words

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


def nat_brief(nat: Json) -> str:
    """`NAT3`, `NAT4 +1`, `NAT4 random`, `open`; empty if unknown."""
    kind = str(nat["type"])
    if kind == "unknown":
        return ""
    if kind != "NAT4":
        return clean(kind)
    how = step_words(nat["step"]) if nat["allocation"] == "sequential" else BRIEF.get(nat["allocation"], "")
    return clean(f"{kind} {how}".rstrip())


def nat_label(nat: Json) -> str:
    """`NAT4 symmetric, ports count by +1`: the node's own label, else one of the axes; empty if unknown."""
    if nat["label"]:
        return clean(str(nat["label"]))
    kind = str(nat["type"])
    if kind not in KINDS or kind == "unknown":
        return ""
    ports = _ports(nat)
    return f"{name(kind)}{f', {ports}' if ports and kind == 'NAT4' else ''}"


def nat_sentence(nat: Json, *, public: bool = False) -> str:
    """What this device is behind, in one sentence; `public`: an address of its own is public."""
    kind = str(nat["type"])
    if kind == "open":
        return "This device has a public address, with no NAT in front of it."
    if kind == "blocked":
        return "No UDP comes back to this device: a firewall blocks it, or no server is there."
    if kind not in KINDS or kind == "unknown":
        if public:
            return "This device has a public address; whether a firewall is in front of it nobody could tell it yet."
        return "What NAT this device is behind is not known yet."
    named, means = KINDS[kind]
    ports = f"; the {_ports(nat)}" if kind == "NAT4" and _ports(nat) else ""
    return f"This device is behind {an(named)} NAT ({kind}): {means}{ports}."


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
    if punch["planned"] >= max(1, punch["probes"]):
        return f"{punch['probes']:,} of {punch['planned']:,} ports"
    strategy = clean(strategy_words(punch["strategy"]))
    return f"{strategy}, {punch['probes']:,} packets" if strategy else f"{punch['probes']:,} packets"


def ended_words(punch: Json) -> str:
    """How an attempt that came to nothing ended: `failed: nothing came through`; empty for all others."""
    if punch["state"] not in ("failed", "infeasible", "off"):
        return ""
    reason = clean(reason_words(punch["reason"]))
    if punch["state"] == "off":
        return reason or "off"
    return f"{punch['state']}: {reason}" if reason else str(punch["state"])


def tried_note(peer: Json, *, enabled: bool) -> str:
    """Why it is not direct, for a line of its own; empty where `tried_words` says it all."""
    punch = peer["punch"]
    if not enabled or punch["state"] not in ("failed", "infeasible", "off") or not punch["text"]:
        return ""
    return clean(str(punch["text"]))


def _ports(nat: Json) -> str:
    return ports_words(str(nat["allocation"]), step=nat["step"])
