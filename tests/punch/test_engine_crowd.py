"""Many peers at once, one budget: the ceilings hold at every instant, and everybody gets a turn."""

from __future__ import annotations

from collections import deque

import pytest

from punch.commands import SendDatagram
from punch.config import PunchConfig
from punch.facts import PeerWanted, PolicyChanged
from punch.line import MOST_ATTEMPTS
from punch.probe import PROBE_BYTES
from punch.signals import Offer
from tests.punch.engines import Home, Village
from tests.punch.test_engine import HARD

STUN_REQUEST_BYTES = (20, 28)


def crowd(kinds: list[str], *, hub: str = "nat3", seed: int = 1, config: PunchConfig | None = None) -> Village:
    """A hub, and peers that all want it at once."""
    made = Village(seed)
    made.add("hub", hub, config=config)
    for number, kind in enumerate(kinds):
        made.add(f"p{number}", kind, config=config)
    made.world.run_for(5.0)
    for number in range(len(kinds)):
        made.introduce("hub", f"p{number}")
    return made


def want_all(made: Village, count: int) -> None:
    for number in range(count):
        made.want("hub", f"p{number}")


def paid(home: Home) -> list[tuple[float, SendDatagram]]:
    """Everything that drew from the budget, by its size: probes, answers, samples (canaries go by the main socket)."""
    return [(at, each) for at, each in home.sent if len(each.payload) == PROBE_BYTES or each.via != 1]


def fastest_second(sent: list[tuple[float, SendDatagram]]) -> int:
    window: deque[float] = deque()
    most = 0
    for at, _ in sent:
        window.append(at)
        while window[0] <= at - 1.0:
            window.popleft()
        most = max(most, len(window))
    return most


def most_alive(sent: list[tuple[float, SendDatagram]]) -> int:
    """Destinations touched within 30 s, at the worst instant."""
    touched: dict[tuple[int, str, int], float] = {}
    most = 0
    for at, each in sent:
        touched[each.via, each.to.host, each.to.port] = at
        most = max(most, sum(1 for when in touched.values() if at - when < 30.0))
    return most


def test_twenty_easy_peers_at_once() -> None:
    made = crowd(["nat3"] * 20)
    want_all(made, 20)
    took = made.world.run_until(lambda: all(made.met("hub", f"p{number}") for number in range(20)), within=10.0)
    assert took < 3.0


def test_fifty_peers_at_once() -> None:
    kinds = ["nat3", "nat4-sequential", "nat1", "nat4-block-1024", "nat3-hairpin"] * 10
    made = Village(4)
    made.add("hub", "nat3")
    for number, kind in enumerate(kinds):
        made.add(f"p{number}", kind)
        made.world.run_for(0.5)
    for number in range(len(kinds)):
        made.introduce("hub", f"p{number}")
    for _ in range(60):
        want_all(made, len(kinds))
        made.world.run_for(1.0)
        if all(made.met("hub", f"p{number}") for number in range(len(kinds))):
            break
    assert all(made.met("hub", f"p{number}") for number in range(len(kinds)))
    hub = made.homes["hub"]
    assert fastest_second(paid(hub)) <= PunchConfig().max_pps
    assert made.nats["hub"][-1].peak <= PunchConfig().max_entries


def test_a_crowd_of_all_kinds_gets_its_turns() -> None:
    kinds = ["nat3", "nat4-sequential", "nat4-block-1024", "nat1", "nat4-uniform", "nat4-uniform"] * 3
    made = crowd(kinds)
    waiting = set(range(len(kinds)))
    for _ in range(240):
        want_all(made, len(kinds))
        made.world.run_for(1.0)
        attempts = made.homes["hub"].engine._attempts
        assert len(attempts) <= MOST_ATTEMPTS
        assert sum(1 for each in attempts.values() if each.strategy == "birthday" and each.phase == "running") <= 1
        waiting = {each for each in waiting if not made.met("hub", f"p{each}")}
        if not waiting:
            break
    assert not waiting
    assert fastest_second(paid(made.homes["hub"])) <= PunchConfig().max_pps
    assert most_alive(paid(made.homes["hub"])) <= PunchConfig().max_entries


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("max_pps", "max_entries"), [(100, 1000), (20, 64), (300, 20), (1, 8)])
def test_ceilings_hold_in_every_world(seed: int, max_pps: int, max_entries: int) -> None:
    config = PunchConfig(nat4_nat4="auto", max_pps=max_pps, max_entries=max_entries)
    kinds = ["nat4-uniform", "nat3", "nat4-block-1024", "nat4-sequential"]
    made = crowd(kinds, seed=seed, config=config, hub=["nat3", "nat4-sequential"][seed % 2])
    for _ in range(40):
        want_all(made, len(kinds))
        made.world.run_for(1.0)
        assert all(home.engine.budget(made.world.now).entries_live <= max_entries for home in made.homes.values())
    for name, home in made.homes.items():
        assert fastest_second(paid(home)) <= max_pps
        assert most_alive(paid(home)) <= max_entries
        assert made.nats[name][-1].peak <= max_entries


@pytest.mark.parametrize("kind", ["nat1", "nat2", "nat3", "nat3-hairpin", "adm", "nat4-uniform"])
@pytest.mark.parametrize("max_entries", [8, 9, 20, 64])
def test_what_a_measurement_lets_in_counts_too(kind: str, max_entries: int) -> None:
    """A server that is asked to answer from another port makes an entry in a NAT that lets it in."""
    for seed in range(3):
        made = Village(seed)
        made.add("ann", kind, config=PunchConfig(max_entries=max_entries))
        made.world.run_for(90.0)
        assert 0 < made.nats["ann"][-1].peak <= max_entries


def test_lower_ceilings_hold_from_when_they_come() -> None:
    made = crowd(["nat4-uniform", "nat4-uniform", "nat4-block-4096"], seed=2, config=HARD)
    want_all(made, 3)
    made.world.run_for(1.0)
    since = made.world.now
    for name in made.homes:
        made.tell(name, PolicyChanged(PunchConfig(max_pps=5, max_entries=8)))
    for _ in range(20):
        want_all(made, 3)
        made.world.run_for(1.0)
    for home in made.homes.values():
        assert fastest_second([each for each in paid(home) if each[0] > since]) <= 5


def test_a_demand_waits_in_line_like_all() -> None:
    made = crowd(["nat3"] * 12)
    for number in range(12):
        made.tell("hub", PeerWanted(b"p%d" % number, "demand"))
    made.world.run_until(lambda: all(made.met("hub", f"p{number}") for number in range(12)), within=10.0)


@pytest.mark.parametrize(("max_entries", "seed"), [(200, 1), (200, 2), (1000, 3)])
def test_one_large_search_starves_nobody(max_entries: int, seed: int) -> None:
    kinds = ["nat4-uniform", "nat3", "nat4-sequential", "nat1", "nat4-uniform", "nat3"] * 5
    config = PunchConfig(max_entries=max_entries)
    made = Village(seed)
    made.add("hub", "nat3", config=config)
    for number, kind in enumerate(kinds):
        made.add(f"p{number}", kind, config=config)
        made.world.run_for(0.5)
    made.world.run_for(5.0)
    for number in range(len(kinds)):
        made.introduce("hub", f"p{number}")
    for _ in range(5):
        want_all(made, len(kinds))
        made.world.run_for(1.0)
    cheap = [number for number, kind in enumerate(kinds) if kind != "nat4-uniform"]
    assert all(made.met("hub", f"p{number}") for number in cheap)
    for name in (f"p{number}" for number in range(len(kinds)) if not made.met("hub", f"p{number}")):
        view = made.homes["hub"].engine.view(name.encode(), made.world.now)
        assert view.state == "running" or (view.state, view.reason) == ("idle", "busy"), view
        assert view.state == "running" or view.text.startswith("waits in line")
    box = made.nats["hub"][-1]
    assert box.peak <= max_entries


def test_who_waits_is_not_asked_all_the_time() -> None:
    kinds = ["nat4-uniform"] * 8
    config = PunchConfig(max_entries=128)
    made = crowd(kinds, config=config)
    for _ in range(20):
        want_all(made, len(kinds))
        made.world.run_for(1.0)
    offers = {
        name: [at for at, said in home.signals if isinstance(said.signal, Offer) and not said.signal.reply]
        for name, home in made.homes.items()
    }
    assert all(len(times) <= 12 for name, times in offers.items() if name != "hub"), offers
    assert len(offers["hub"]) <= 4 * len(kinds)
