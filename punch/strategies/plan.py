"""What tells one search from another, and the burst that suits what is known.

sandwich   S HHHH S HHHH S     then the likeliest ports: few
block      SSS HHHH...         then ports of the block, while holes are added
birthday   SS HHHH...          then any port, while holes are added: many
"""

from __future__ import annotations

from msgspec import Struct, structs

from punch.predict.posterior import FIRST_HOLES
from punch.values import NatProfile

LATE_HOLES = 512
"""Most holes of one peer at all (design section 4: 256 to 512)."""
PAUSE = 0.05
"""Seconds that budget is saved up for, so that the packets it allows go out together."""


class Plan(Struct, frozen=True, kw_only=True):
    """What tells one search from another."""

    name: str
    first_round: int
    """Rounds of ten are numbered from here, so that what is late from one search is not taken for another's."""
    script: str
    """S and H: what the hard side's fresh sockets do, in this order, in one burst."""
    ports: int
    """Most ports the easy side tries while the ranking holds."""
    block_ports: int
    """The same while a block is believed."""
    uniform_ports: int
    """The same while nothing but chance is left; 0: then this search ends."""
    holes: int = 0
    """Holes opened whatever the samples say; 0: as many as the posterior wants."""
    believe: bool = True
    """What detection found of the allocator counts; an earlier search has disproved it otherwise."""
    ahead: bool = False
    """The easy side begins by the profile alone."""

    def view(self, profile: NatProfile) -> NatProfile:
        """The hard side's profile, as far as it is believed."""
        return profile if self.believe else structs.replace(profile, allocation="unknown", block=None)


def script(profile: NatProfile) -> str:
    """The burst that suits what detection knows (nat-science 4.3: 3 samples do for a counter, 9 for anything)."""
    quiet = profile.foreign is not None and profile.foreign < 20.0
    if profile.allocation == "preserving":
        return "SHHHH"
    if profile.allocation == "sequential":
        return "SHHHHSHHHS" if quiet else "SHHHSHHHSHHHS"
    if profile.allocation == "block":
        return "SSS" + "H" * FIRST_HOLES
    if profile.allocation == "uniform":
        return "SS" + "H" * FIRST_HOLES
    return FULL


FULL = "SHHH" * 8 + "S"
"""Nine samples, 24 holes: for what is not known."""


def believed(weights: dict[str, float]) -> str:
    """What a person reads: `looks sequential (97 %)`."""
    family = max(weights, key=weights.__getitem__)
    return f"looks {family} ({100.0 * weights[family]:.0f} %)"
