"""What a NAT is, in words: a label for a table, a sentence for a person.

label     NAT4 symmetric, sequential +1, ~20 foreign mappings/s
sentence  every peer sees another port of yours; the ports count by +1, and others take about 20 of them a second.
"""

from __future__ import annotations

from punch.values import NatProfile

KINDS = {
    "NAT1": ("full cone", "whoever knows your outside port reaches you"),
    "NAT2": ("restricted cone", "whoever you have written to reaches you, from any of its ports"),
    "NAT3": ("port restricted", "you and the other side both have to write first"),
    "NAT4": ("symmetric", "every peer sees another port of yours"),
    "open": ("public address", "your address is public, and nothing translates it"),
    "blocked": ("UDP blocked", "no UDP comes back from any server"),
    "unknown": ("undecided", "too few answers came to tell"),
}
FIREWALL = "your address is public, but a firewall lets in only whom you have written to"
PORTS = {
    "preserving": "your ports are kept",
    "sequential": "the ports count by {step}",
    "block": "the ports come from a block of {count}",
    "cluster": "the ports lie near one another",
    "uniform": "the ports are random",
}
FEW = 0.5
"""Foreign mappings a second below which none are told."""


def label(profile: NatProfile) -> str:
    """A few words."""
    kind, _ = KINDS[profile.type]
    parts = [f"{profile.type} {kind}" if profile.type.startswith("NAT") else kind]
    if profile.type == "open" and profile.filtering in ("adf", "apdf"):
        parts.append("firewall")
    if profile.type == "NAT4":
        if profile.mapping == "adm":
            parts.append("one port a peer address")
        if profile.allocation == "block" and profile.block is not None:
            parts.append(f"block of {profile.block[1]}")
        elif profile.allocation != "unknown":
            counts = profile.allocation == "sequential" and profile.step
            parts.append(f"{profile.allocation} {profile.step:+d}" if counts else profile.allocation)
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
    if profile.type == "NAT4" and profile.allocation in PORTS:
        count = profile.block[1] if profile.block is not None else "some"
        step = f"{profile.step:+d}" if profile.step else "a step not known"
        text += "; " + PORTS[profile.allocation].format(step=step, count=count)
        if profile.foreign is not None and profile.foreign >= FEW:
            text += f", and others take about {profile.foreign:.0f} of them a second"
    if profile.pooling == "arbitrary":
        text += f"; you have {len(profile.hosts)} outside addresses or more"
    return text + "."
