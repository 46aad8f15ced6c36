"""The cost of a link or of a whole way: RTT with penalties for jitter and loss, in steps of 1.5x.

cost   0    1     2     5     10     15      20       24 (capped at 40)
ms     1    1.5   2.3   7.6   58     438     3,325    16,834
"""

from __future__ import annotations

import math

STEP = 1.5
"""Milliseconds grow by this much from one cost to the next (protocol section 8)."""
MAX_COST = 40
"""Every longer link costs the same, 3 hours: nobody goes by it."""
UNMEASURED_MS = 100.0
"""What a link whose RTT is not known yet counts as: a longer one than most, so that measured links come first."""
LOSS_WEIGHT = 25.0
"""2 % of loss weigh like half as much RTT again, one step; 40 % like eleven times the RTT."""
JITTER_WEIGHT = 2.0
"""Mean deviations that most round trips stay within (RFC 6298 takes four for nearly all): what a game or a call has to
wait for beyond the mean."""
SLACK = 0.25
"""Steps beyond the edge of a cost that a link must move before its cost follows, so that it does not flutter."""


def cost(rtt_ms: float | None, loss: float | None, jitter_ms: float | None = None, *, before: int | None = None) -> int:
    """The cost of a link, 0..MAX_COST; `before` is what it was, kept while the link is near it."""
    exact = math.log(weighed_ms(rtt_ms, loss, jitter_ms), STEP)
    if before is not None and abs(exact - before) <= 0.5 + SLACK:
        return before
    return min(MAX_COST, max(0, round(exact)))


def weighed_ms(rtt_ms: float | None, loss: float | None, jitter_ms: float | None = None) -> float:
    """An RTT made longer by its jitter (mean deviation) and its loss (0..1), milliseconds; 1 at least.

    None is what nobody measured: a long RTT, no jitter, no loss.
    """
    rtt = UNMEASURED_MS if rtt_ms is None or not math.isfinite(rtt_ms) else rtt_ms
    jitter = 0.0 if jitter_ms is None or not math.isfinite(jitter_ms) else max(0.0, jitter_ms)
    return max(1.0, rtt + JITTER_WEIGHT * jitter) * (1.0 + LOSS_WEIGHT * min(1.0, max(0.0, loss or 0.0)))


def cost_ms(steps: int) -> float:
    """What a cost that a record states stands for, in milliseconds; absurd ones are capped."""
    return STEP ** min(MAX_COST, max(0, steps))
