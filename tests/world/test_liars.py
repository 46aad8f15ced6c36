"""A member that turned bad and carries for others: whatever it does, all the others reach each other.

p0, bad     p1
 |  \\     /  |          n0 and n1, behind NATs that none can be punched through, need a relay
 |    \\ /    |
n0         n1
"""

from __future__ import annotations

import pytest

from tools.worlds.faults import LIES
from tools.worlds.plan import BOUND, Place, Plan
from tools.worlds.story import live

HARD = "cgn-uniform"


def with_a_liar(seed: int, *lies: str) -> Plan:
    """Two relays, of which the first lies, and two that need one."""
    homes = [Place(name=f"n{number}", nat=HARD, peers=("p0", "p1"), relay=False) for number in range(2)]
    relays = [Place(name="p0", lies=lies), Place(name="p1", peers=("p0",))]
    return Plan(
        kind="liar",
        seed=seed,
        places=(*relays, *homes),
        calm=6.0,
        bound=BOUND,
        flows=(("n0", "n1"), ("p1", "n0")),
        every=0.2,
    )


def holds(plan: Plan) -> None:
    """All invariants, and all reach all in the end."""
    outcome = live(plan)
    assert not outcome.word, outcome.text
    assert outcome.came > 0


@pytest.mark.parametrize("lie", [lie for lie in LIES if lie != "mint"])
def test_one_lie(lie: str) -> None:
    holds(with_a_liar(1, lie))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("lie", list(LIES))
def test_one_lie_in_more_worlds(lie: str, seed: int) -> None:
    holds(with_a_liar(seed, lie))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_all_lies_at_once(seed: int) -> None:
    holds(with_a_liar(seed, *LIES))
