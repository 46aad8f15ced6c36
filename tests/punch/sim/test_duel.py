"""Two engines in a world: what they reach, and that no bound is broken on the way."""

from __future__ import annotations

import pytest

from punch.config import PunchConfig
from punch.sim.duel import Duel, duel
from punch.sim.journal import Journal
from punch.sim.matrix import HEAD, matrix, pairs
from punch.sim.meeting import BOTH, Meeting, Terms
from punch.sim.zoo import KINDS, READABLE

KEPT_ALIVE = 4
"""Entries that are not the engine's: keepalives and canaries to two members."""


@pytest.mark.parametrize(
    ("local", "remote", "seconds", "packets"),
    [
        ("open", "nat4-uniform", 1.0, 20),
        ("nat1", "nat4-uniform", 1.0, 20),
        ("nat3", "nat3", 1.0, 60),
        ("nat3", "nat4-sequential", 3.0, 120),
        ("nat3", "nat4-sequential-busy", 3.0, 120),
        ("nat3", "nat4-block-1024", 5.0, 500),
        ("nat4-sequential", "nat4-sequential-down", 8.0, 400),
    ],
)
def test_who_can_meet_meets(local: str, remote: str, seconds: float, packets: int) -> None:
    for seed in range(3):
        outcome = duel(local, remote, seed=seed)
        assert outcome.success, outcome
        assert outcome.seconds is not None
        assert outcome.seconds < seconds
        assert sum(outcome.packets) < packets


def test_what_arithmetic_forbids_is_not_tried() -> None:
    outcome = duel("nat4-uniform", "nat4-uniform", seed=1)
    assert (outcome.success, outcome.reason, outcome.packets) == (False, "infeasible", (0, 0))


def test_off_means_no_packet() -> None:
    outcome = duel("nat3", "nat4-uniform", seed=1, terms=Terms(config=PunchConfig(enabled=False), patience=10.0))
    assert not outcome.success
    assert outcome.packets == outcome.measuring == (0, 0)
    assert max(outcome.entries) <= KEPT_ALIVE


@pytest.mark.parametrize("pair", [("nat3", "nat4-uniform"), ("nat4-block-1024", "nat4-sequential")])
def test_ceilings_hold_at_every_instant(pair: tuple[str, str]) -> None:
    config = PunchConfig(nat4_nat4="auto", max_pps=50, max_entries=150)
    for seed in range(3):
        outcome = duel(*pair, seed=seed, terms=Terms(config=config, patience=25.0))
        assert max(outcome.pps) <= 50
        assert max(outcome.entries) <= 150 + KEPT_ALIVE


def test_one_seed_one_duel() -> None:
    def fought(seed: int) -> tuple[object, str]:
        journal = Journal()
        outcome = Duel("nat3", "nat4-uniform", seed=seed, terms=Terms(loss=0.02), journal=journal).run()
        return outcome, journal.digest()

    assert fought(1) == fought(1) != fought(2)


def test_a_late_remote_is_met_all_the_same() -> None:
    outcome = duel("nat3", "nat4-sequential", seed=1, terms=Terms(late=4.0))
    assert outcome.success


def test_the_matrix_has_a_line_a_pair() -> None:
    assert len(pairs(["nat1", "nat2", "nat3"])) == 6
    assert len(pairs()) == len(READABLE) * (len(READABLE) + 1) // 2
    cells = list(matrix([("nat1", "nat3"), ("nat4-uniform", "nat4-uniform")], seeds=range(2), terms=Terms(config=BOTH)))
    assert [(each.duels, each.direct, each.reasons) for each in cells] == [(2, 2, {}), (2, 0, {"infeasible": 2})]
    assert cells[1].line().endswith("infeasible 2")
    assert len(HEAD.split("else")[0]) <= len(cells[1].line())


def test_thirty_peers_wanted_at_once_stay_within_one_hosts_ceilings() -> None:
    meeting = Meeting(Terms(config=PunchConfig(max_entries=200)), seed=1)
    host = meeting.add(b"host", KINDS["nat3"])
    others = [f"peer{number}".encode() for number in range(30)]
    for number, other in enumerate(others):
        meeting.add(other, KINDS[("nat4-sequential", "nat4-block-512", "nat4-uniform")[number % 3]])
        meeting.introduce(b"host", other)
    for name in meeting.sides:
        meeting.start(name)
    meeting.world.run(until=3.0)
    for other in others:
        meeting.want(b"host", other)
    meeting.world.run_for(20.0)
    assert host.most_pps <= 100
    assert meeting.peak(b"host") <= 200 + KEPT_ALIVE
    assert host.direct
