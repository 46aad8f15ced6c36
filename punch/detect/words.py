"""What a NAT is, what was tried, and why it ended, in words: the one home of what people read of them.

label     NAT4 symmetric, ports count by +1, ~20 foreign mappings/s
sentence  every peer sees another port of yours; the ports count by +1, and others take about 20 of them a second.
spoken    anchor_walk -> anchor and walk, no_answer -> their engine does not answer

It imports nothing at run time: commands that must be quick read it too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from punch.values import NatProfile

KINDS = {
    "NAT1": ("full cone", "whoever knows your outside port reaches you"),
    "NAT2": ("address restricted", "whoever you have written to reaches you, from any of its ports"),
    "NAT3": ("port restricted", "you and the other side both have to write first, which two such NATs do in a moment"),
    "NAT4": ("symmetric", "every peer sees another port of yours"),
    "open": ("public address", "your address is public, and nothing translates it"),
    "blocked": ("UDP blocked", "no UDP comes back from any server"),
    "unknown": ("not known", "too few answers came to tell"),
}
"""Type -> its name, and what it means for whom it is in front of."""
FIREWALL = "your address is public, but a firewall lets in only whom you have written to"
PORTS = {
    "preserving": "ports are kept",
    "sequential": "ports count by {step}",
    "block": "ports come from a block of {count}",
    "cluster": "ports lie near one another",
    "uniform": "ports are random",
}
"""How a NAT chooses outside ports."""
BRIEF = {"preserving": "kept", "block": "block", "cluster": "near", "uniform": "random"}
"""The same in a word; a counter shows its step."""
STRATEGIES = {
    "simultaneous": "sending at once",
    "low_ttl": "short-lived first packets",
    "hairpin": "hairpin",
    "reachable": "knocking at the open side",
    "sandwich": "sandwich search",
    "block": "block search",
    "birthday": "birthday search",
    "anchor_walk": "anchor and walk",
}
"""The engine's name of a way to meet -> people's."""
REASONS = {
    "direct": "direct",
    "off": "switched off here",
    "peer_off": "switched off on their side",
    "idle": "not used yet",
    "busy": "waits its turn",
    "peer_busy": "their engine is busy",
    "infeasible": "no search would end in time",
    "network_changed": "the network changed here",
    "peer_changed": "the network changed there",
    "exhausted": "nothing came through",
    "no_answer": "their engine does not answer",
    "unproven": "a way was found, but not proven in time",
    "budget": "packets were refused",
    "refused": "this network refuses packets",
    "sockets": "no more sockets can be opened",
    "unvouched": "no other member hears the peer from its address",
    "blocked": "UDP is blocked",
    "no_server": "no STUN server answers",
    "unmeasured": "a NAT is not measured yet",
    "peer_gone": "the peer is not reached",
    "silent": "the other side says nothing",
    "no_endpoint": "the other side named no endpoint",
}
"""The engine's fixed word for how it ended -> people's."""
AXES = {
    "poisonable": "whether unasked packets spoil it",
    "hairpin": "whether it leads back in (hairpin)",
    "lifetime": "how long a silent mapping lives",
    "distance": "how many hops away it is",
    "pooling": "whether it has several addresses",
    "parity": "whether even ports stay even",
    "allocation": "how it chooses ports",
    "foreign": "how many ports others take",
}
"""Fields of a profile whose names say little -> what they tell."""
FEW = 0.5
"""Foreign mappings a second below which none are told."""
_NAMED = re.compile(rf"\b({'|'.join(word for word in STRATEGIES if word not in ('hairpin', 'reachable', 'block'))})\b")
_LED = re.compile(rf"((?:trying|by) |^)({'|'.join(STRATEGIES)})(?=$|[:,)])")
_ENDED = re.compile(r"ended: [a-z_]+ \((.*)\)(, [0-9]+ packets)")


def strategy_words(strategy: str | None) -> str:
    """A strategy's name as people read it: `anchor_walk` is `anchor and walk`; an unknown one without underscores."""
    return STRATEGIES.get(strategy or "", (strategy or "").replace("_", " "))


def reason_words(reason: str | None) -> str:
    """A fixed word as people read it: `no_answer` is `their engine does not answer`."""
    return REASONS.get(reason or "", (reason or "").replace("_", " "))


def axis_words(axis: str) -> str:
    """What a field of a profile tells."""
    return AXES.get(axis, axis)


def spoken(line: str) -> str:
    """A line of the engine's journal with its fixed words spelled out."""
    indent, line = line[: len(line) - len(line.lstrip())], line.lstrip()
    line = _ENDED.sub(r"ended: \1\2", line)
    line = _LED.sub(lambda found: found[1] + STRATEGIES[found[2]], line)
    return indent + _NAMED.sub(lambda found: STRATEGIES[found[0]], line)


def an(word: str) -> str:
    """`word` with its article: an address restricted, a symmetric."""
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"


def name(kind: str) -> str:
    """A type with its name: `NAT4 symmetric`; `public address`."""
    words, _ = KINDS.get(kind, (kind, ""))
    return f"{kind} {words}" if kind.startswith("NAT") and words != kind else words


def step_words(step: int | None) -> str:
    """`+1`; empty if it is not known."""
    return f"{step:+d}" if step else ""


def ports_words(allocation: str, *, step: int | None = None, count: int | None = None) -> str:
    """How outside ports are chosen: `ports count by +1`; empty if it is not known."""
    how = PORTS.get(allocation, "")
    return how.format(step=step_words(step) or "a fixed step", count=count if count is not None else "few")


def label(profile: NatProfile) -> str:
    """A few words."""
    parts = [name(profile.type)]
    if profile.type == "open" and profile.filtering in ("adf", "apdf"):
        parts.append("firewall")
    if profile.type == "NAT4":
        if profile.mapping == "adm":
            parts.append("one port a peer address")
        count = profile.block[1] if profile.block is not None else None
        parts += [how] if (how := ports_words(profile.allocation, step=profile.step, count=count)) else []
        if profile.foreign is not None and profile.foreign >= FEW:
            parts.append(f"~{profile.foreign:.0f} foreign mappings/s")
    return ", ".join(parts)


def sentence(profile: NatProfile) -> str:
    """One sentence, without a capital at its start if none is due."""
    _, text = KINDS[profile.type]
    if profile.type == "open" and profile.filtering in ("adf", "apdf"):
        text = FIREWALL
    if profile.mapping == "adm":
        text = "every peer address sees another port of yours"
    count = profile.block[1] if profile.block is not None else None
    if profile.type == "NAT4" and (how := ports_words(profile.allocation, step=profile.step, count=count)):
        text += f"; the {how}"
        if profile.foreign is not None and profile.foreign >= FEW:
            text += f", and others take about {profile.foreign:.0f} of them a second"
    if profile.pooling == "arbitrary":
        text += f"; you have {len(profile.hosts)} outside addresses or more"
    return text + "."
