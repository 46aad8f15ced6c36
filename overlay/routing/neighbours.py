"""Which members a node keeps sessions with (design section 3, Sparse).

up to 32 members           everybody
more                       8 at most: 3 relays, 3 of the lowest round trip, 2 drawn (and for every relay that lacks, one
                           more drawn); those chosen before stay unless another is clearly better or they fail
fewer than 24 again        everybody
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum

from msgspec import Struct

from overlay.values import NodeId

DENSE = 32
"""Members, ourselves among them, up to which each has a session with every other (design section 3) ..."""
DENSE_AGAIN = 24
"""... and fewer than which a mesh that was larger is so again: a member more or less does not turn it over."""
RELAYS, NEAR, DRAWN = 3, 3, 2
"""Places for relays, for the nearest, and for those drawn: 8 in all (design section 3). A relay takes up to 64 besides
its own, so that three relays each leave a mesh room in which one member in fifteen is reachable."""
BETTER = 0.6
"""Another's round trip must be below this share of the longest chosen one's before it takes its place ..."""
MARGIN = 10.0
"""... and by so many milliseconds below it: both ends of a swap cost a handshake."""
ACCEPTED = 64
"""Sessions that others chose, kept beside our own (design section 3)."""
MOST_ACCEPTED = 256
"""The same where those beyond have nobody else; the newest go whatever they have."""
ALIKE = 16
"""Sessions from one source, or of ids that one neighbour introduced, that are judged by their links; more of them go
before any other, as one liar makes as many ids without a link as it likes."""


class Candidate(Struct, frozen=True):
    """A member that may be chosen."""

    id: NodeId
    relay: bool
    """It carries for others and says where anybody can dial it."""
    rtt_ms: float | None = None
    """Round trip of the way to it; None: no session, or not measured."""


class Role(Enum):
    """Why a member was chosen."""

    RELAY = "relay"
    NEAR = "near"
    DRAWN = "drawn"


Chosen = dict[NodeId, Role]


def is_sparse(members: int, before: bool) -> bool:
    """Whether a mesh of so many members keeps sessions between some only; `before`: it did so until now."""
    return members >= DENSE_AGAIN if before else members > DENSE


def choose(
    candidates: Sequence[Candidate],
    before: Mapping[NodeId, Role],
    *,
    denied: Collection[NodeId] = (),
    entropy: random.Random,
) -> Chosen:
    """The members to keep sessions with, each with its role.

    `before` was chosen last; `denied` could not be reached or would not have us lately. One that is measured may take
    the place of one chosen; at most one does in a call.
    """
    known = {each.id: each for each in candidates if each.id not in denied}
    chosen = {node: role for node, role in before.items() if node in known and _still(known[node], role)}
    relays = [each for each in known.values() if each.relay]
    _fill(chosen, relays, Role.RELAY, RELAYS, entropy)
    _swap(chosen, relays, Role.RELAY)
    near = [each for each in known.values() if each.rtt_ms is not None]
    _fill(chosen, sorted(near, key=_round_trip), Role.NEAR, NEAR, None)
    _swap(chosen, near, Role.NEAR)
    lacking = RELAYS - sum(role is Role.RELAY for role in chosen.values())
    # Those that anybody can dial cost their neighbours no circuit; without enough of them, anybody.
    _fill(chosen, relays, Role.DRAWN, DRAWN, entropy)
    _fill(chosen, list(known.values()), Role.DRAWN, DRAWN + lacking, entropy)
    drawn = [node for node, role in chosen.items() if role is Role.DRAWN]
    return {node: role for node, role in chosen.items() if node not in drawn[DRAWN + lacking :]}


def _still(candidate: Candidate, role: Role) -> bool:
    return candidate.relay or role is not Role.RELAY


def _fill(
    chosen: Chosen, candidates: Sequence[Candidate], role: Role, places: int, entropy: random.Random | None
) -> None:
    """Give the free places of a role to measured candidates first, then by lot; without dice in the order given."""
    free = places - sum(each is role for each in chosen.values())
    if free <= 0:
        return
    able = [each for each in candidates if each.id not in chosen]
    if entropy is not None:
        able = (
            entropy.sample(able, min(len(able), free)) if role is Role.DRAWN else _measured_first(able, free, entropy)
        )
    for each in able[:free]:
        chosen[each.id] = role


def _measured_first(able: Sequence[Candidate], free: int, entropy: random.Random) -> list[Candidate]:
    """The nearest of those measured, then others by lot: all sessions there are cost nothing more."""
    measured = sorted((each for each in able if each.rtt_ms is not None), key=_round_trip)[:free]
    others = [each for each in able if each.rtt_ms is None]
    return measured + entropy.sample(others, min(len(others), free - len(measured)))


def _swap(chosen: Chosen, candidates: Iterable[Candidate], role: Role) -> None:
    """The farthest of a role gives way to one that is clearly nearer."""
    known = {each.id: each for each in candidates}
    held = [known[node] for node, each in chosen.items() if each is role and node in known]
    # One not measured yet is on its way, and is not judged.
    held = [each for each in held if each.rtt_ms is not None]
    others = [each for each in known.values() if each.id not in chosen and each.rtt_ms is not None]
    if not held or not others:
        return
    farthest, nearest = max(held, key=_round_trip), min(others, key=_round_trip)
    if _round_trip(nearest) < _round_trip(farthest) * BETTER - MARGIN:
        del chosen[farthest.id]
        chosen[nearest.id] = role


def _round_trip(candidate: Candidate) -> float:
    return candidate.rtt_ms if candidate.rtt_ms is not None else float("inf")


class Accepted(Struct, frozen=True):
    """A session that its other end chose and we did not."""

    id: NodeId
    others: int
    """Links to others that its record names."""
    since: float
    """When the session opened."""
    source: str = ""
    """The host or network it comes from, or the relay; empty: unknown."""
    by: NodeId | None = None
    """Who introduced its id; None: itself, or the disk."""


def beyond(accepted: Sequence[Accepted]) -> list[NodeId]:
    """The sessions that must end, so that 64 are left: first the newest of too many that came alike, then the newest of
    those that reach the mesh by others too."""
    excess = len(accepted) - ACCEPTED
    if excess <= 0:
        return []
    newest = sorted(accepted, key=lambda each: -each.since)
    crowd = _alike(newest[::-1])
    able = [each.id for each in newest if each.others >= 2 and each.id not in crowd]
    leaving = [*[each.id for each in newest if each.id in crowd], *able][:excess]
    left = [each.id for each in newest if each.id not in leaving]
    return leaving + left[: max(0, len(left) - MOST_ACCEPTED)]


def _alike(oldest: Sequence[Accepted]) -> frozenset[NodeId]:
    """Those that came after 16 others from their source, or of whoever introduced them."""
    counts: Counter[str | NodeId] = Counter()
    crowd: list[NodeId] = []
    for each in oldest:
        kinds = [kind for kind in (each.source, each.by) if kind]
        if any(counts[kind] >= ALIKE for kind in kinds):
            crowd.append(each.id)
        else:
            counts.update(kinds)
    return frozenset(crowd)
