"""A NAT profile as a record's word, and as `status` shows it.

    open   blocked   unknown   mapping/filtering/allocation      apdm/apdf/sequential/+1

Words are read leniently: what another version says and we do not know is `unknown`.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from overlay.node.snapshot import Nat
from punch.detect.words import label
from punch.values import Allocation, Filtering, Mapping, NatProfile

_STEP = re.compile(r"[+-][1-9][0-9]{0,4}", re.ASCII)
_AXES = (("mapping", get_args(Mapping)), ("filtering", get_args(Filtering)), ("allocation", get_args(Allocation)))


def to_word(profile: NatProfile) -> str:
    """What the record says of us: at most 64 characters without a space (protocol section 8)."""
    if profile.blocked or profile.open or profile.mapping == "unknown":
        return profile.type
    word = f"{profile.mapping}/{profile.filtering}/{profile.allocation}"
    return f"{word}/{profile.step:+d}" if profile.step else word


def from_word(word: str) -> NatProfile:
    """The profile a record's word means, as far as we know its parts."""
    parts = word.split("/")
    if parts[0] in ("open", "blocked"):
        return NatProfile(open=parts[0] == "open", blocked=parts[0] == "blocked")
    known: dict[str, Any] = {name: part for (name, words), part in zip(_AXES, parts, strict=False) if part in words}
    if len(parts) > 3 and known.get("allocation") == "sequential" and _STEP.fullmatch(parts[3]):
        known["step"] = int(parts[3])
    return NatProfile(**known)


def describe(profile: NatProfile, *, age: float | None = None) -> Nat:
    """The profile on its axes, with a label for people; `age` in seconds."""
    return Nat(
        type=profile.type,
        mapping=profile.mapping,
        filtering=profile.filtering,
        allocation=profile.allocation,
        step=profile.step or None,
        label=label(profile) if profile.type != "unknown" else None,
        age_s=round(age, 1) if age is not None else None,
    )
