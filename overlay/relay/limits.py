"""How many, how long, how often; and the words for what is refused or dropped."""

from __future__ import annotations

MAX_LINKS = 8
"""Links of a circuit at most (protocol section 7)."""
MAX_CIRCUITS = 256
"""Circuits that one neighbour may have asked us for (protocol section 7)."""
MOST_OF_SOURCE = 8
"""Circuits that one source may have opened to us over one neighbour: twice what it keeps itself."""
MOST_ENDS = 4
"""Circuits between us and one peer over one neighbour beyond which no further one is opened."""
IDLE = 60.0
"""Seconds without a frame after which a circuit is closed (protocol section 7)."""
REPEAT = 0.25
"""Seconds until a request is repeated first; each wait doubles the one before."""
TRIES = 5
"""Requests sent before a neighbour counts as silent, 7.75 s after the first."""
TRIES_SPARED = 2
"""The same where another neighbour may be asked instead: 0.75 s."""
MOST_NEXT, MOST_NEXT_FAR = 3, 2
"""Neighbours asked for one circuit by its first relay, and by each one after it. What one refuses is remembered for
IGNORED, so a request that leads nowhere asks every link of the mesh once, not every way through it."""
ROUTED_DEPTH, ROUTED_RATE = 128.0, 4.0
"""Searches made for one neighbour, at once and a second: some milliseconds each among a thousand members. A target that
was searched for since links last changed costs none."""
IGNORED = 60.0
"""Seconds for which a refused link is ignored (protocol section 8)."""
CROSSING = 5.0
"""Seconds between two circuits of both ends within which they count as opened at once: then the older is sent on."""
REPLACED = 2.0
"""Seconds that a circuit stays which another one of the same opener took the place of: what is on its way arrives."""
REFUSALS_KEPT = 64
"""Refusals remembered a neighbour, so that a repeated request hears the same again."""

EARLY_KEPT, EARLY_EACH, EARLY = 256, 64, 5.0
"""Requests held for neighbours whose way we have not proven yet though they proved ours, in all and of each, and for
how many seconds."""

REASONS = ("no_peer", "off", "full", "hops")
"""Why a circuit is refused, on the wire."""

DROPS = {
    "circuit_stranger": "a circuit message of a node that is no neighbour with a proven way, and did not become one",
    "circuit_bad": "a request or an answer that contradicts itself or an earlier one",
    "circuit_forged": "a request in another node's name",
    "circuit_flood": "more requests and handshakes to search a way for than one neighbour may send",
    "circuit_loop": "a request or an answer that names a node twice, or one of the ends as a relay",
    "circuit_refused": "a request refused for its peer, our policy or a limit",
    "circuit_unknown": "an answer nobody waits for, or the end of a circuit nobody has",
    "carried_forged": "a handshake in our own name, to its own sender, or back to the one that sent it",
    "carried_off": "a handshake to carry while we do not carry",
    "carried_hops": "a handshake that crossed enough links",
    "carried_no_peer": "a handshake for a node that no neighbour of ours leads to",
    "carried_flood": "more handshakes to carry than one neighbour may send",
}
"""What `Relay.drops` counts, and what it means."""
