"""A search for a hard side's holes; `sandwich`, `block` and `birthday` are plans of it.

    hard side                                              easy side
    fresh sockets in one burst:  S HHHH S HHHH S           (birthday: probes at once, by the profile alone)
      S asks a STUN service, H probes the easy side
    Sampled(samples, holes)                         --->   posterior, then always the likeliest port,
    as many more holes as the posterior wants              a few at a time as the budget allows
    HolesOpen(count)                                --->
                                                    <---   MoreHoles(count) if its misses say so
    every hole again before it expires                     the end: too many misses for bad luck

Both orders count: a probe through an open hole, and a hole's packet through the filter that an earlier probe of that
port opened on the easy side. So m holes and k probes are m x k chances from the first second on, whichever came
first, and both sides spend alike.
"""

from __future__ import annotations

from punch.strategies.desk import Desk
from punch.strategies.kinds import Sided
from punch.strategies.opening import HardSide
from punch.strategies.plan import Plan
from punch.strategies.probing import EasySide


class Search(Sided):
    """A plan, on one side."""

    def __init__(self, desk: Desk, plan: Plan, hard: bool) -> None:
        super().__init__(HardSide(desk, plan) if hard else EasySide(desk, plan))
        self.name = plan.name
