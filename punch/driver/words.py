"""What a NAT is, in one sentence a person reads."""

from __future__ import annotations

from punch.values import NatProfile

_KINDS = {
    "NAT1": "full cone: whoever knows your outside port reaches you",
    "NAT2": "address restricted: whoever you wrote to reaches you",
    "NAT3": "port restricted: both sides have to write first",
    "NAT4": "symmetric: every peer sees another port of yours",
}
_PORTS = {
    "preserving": "outside ports equal to inside ones",
    "sequential": "outside ports that count by {step:+d}",
    "block": "outside ports from a narrow block",
    "cluster": "outside ports near one another",
    "uniform": "random outside ports",
}
_WORDS = ("mapping", "filtering", "allocation", "pooling")
_FIGURES = ("foreign", "parity", "poisonable", "hairpin", "lifetime", "distance")


def words(profile: NatProfile) -> str:
    """One sentence: what we are behind."""
    if profile.blocked:
        return "UDP is blocked: no server answered."
    if profile.open:
        return "No NAT: this host has a public address."
    kind = profile.type
    if kind == "unknown":
        return "Undecided: too few answers came."
    text = f"{kind} ({_KINDS[kind]})"
    if kind == "NAT4" and profile.allocation in _PORTS:
        text += ", " + _PORTS[profile.allocation].format(step=profile.step)
        if profile.allocation == "sequential" and profile.foreign is not None:
            text += f", about {profile.foreign:.0f} foreign mappings a second"
    return text + "."


def undecided(profile: NatProfile) -> tuple[str, ...]:
    """The axes that could not be measured, by the names of NatProfile's fields."""
    if profile.blocked or profile.open:
        return ()
    unknown = [name for name in _WORDS if getattr(profile, name) == "unknown"]
    counted = profile.allocation == "sequential"
    return (*unknown, *(name for name in _FIGURES if getattr(profile, name) is None and (counted or name != "foreign")))
