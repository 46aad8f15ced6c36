from __future__ import annotations

import random

import pytest

from tools.bench.contenders import find
from tools.bench.dataplane import arguments, number, table, verdicts
from tools.bench.garbage import datagrams
from tools.bench.targets import TARGETS, best_peer, lost, ratio

FIGURES = {
    "tcp1/raw veth": 10.0,
    "tcp1/overlay": 3.0,
    "tcp1/wireguard-go": 1.5,
    "tcp4/overlay": 3.0,
    "tcp4/wireguard-go": 1.5,
    "tcp4/nebula": 2.0,
    "tcp4/raw veth": 20.0,
    "relay": 2.4,
    "start": 0.7,
    "garbage_calm": 2.0,
    "garbage_stormy": 1.6,
}


def test_ratios_are_within_one_run() -> None:
    assert ratio("tcp1/overlay", "tcp1/raw veth")(FIGURES) == pytest.approx(0.3)
    assert best_peer("tcp4")(FIGURES) == pytest.approx(1.5)
    assert lost("garbage_calm")(FIGURES) == pytest.approx(20)


def test_what_was_not_measured_is_not_made_up() -> None:
    assert ratio("tcp1/overlay", "tcp1/nebula")(FIGURES) is None
    assert best_peer("tcp1")({"tcp1/overlay": 3.0, "tcp1/raw veth": 9.0}) is None
    assert lost("garbage_calm")({}) is None
    assert [line for line in verdicts({}) if "not measured" not in line] == verdicts({})[:1]


def test_a_verdict_knows_which_way_is_better() -> None:
    by_title = {target.title: target for target in TARGETS}
    more = by_title["one TCP stream / raw veth"]
    assert [more.verdict(value) for value in (0.4, 0.3, 0.1)] == ["aim", "floor", "BELOW FLOOR"]
    less = by_title["start to first relayed ping, s"]
    assert [less.verdict(value) for value in (0.4, 0.7, 1.1)] == ["aim", "floor", "BELOW FLOOR"]


def test_every_target_has_an_aim_beyond_its_floor() -> None:
    for target in TARGETS:
        assert (target.aim < target.floor) is target.less, target.title


def test_the_table_has_a_line_a_contender() -> None:
    contenders, _ = find({"wireguard_go": "/bin/true", "nebula": None, "easytier": None})
    lines = table(contenders, FIGURES)
    assert len(lines) == 1 + len(contenders)
    assert lines[1].startswith("raw veth")
    assert "3" in lines[2]


def test_peers_not_found_are_named_and_found_ones_run() -> None:
    contenders, absent = find({"wireguard_go": "/x/wireguard-go", "nebula": "/x/nebula", "easytier": "/x/core"})
    assert [each.name for each in contenders] == ["raw veth", "overlay", "wireguard-go", "nebula", "EasyTier"]
    assert [line.split()[0] for line in absent] == ["Tailscale"]
    _, absent = find({"wireguard_go": "/x/wireguard-go", "nebula": None, "easytier": None})
    assert [line.split()[0] for line in absent] == ["nebula", "EasyTier", "Tailscale"]


def test_measures_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert arguments(["--only", "tcp1,ping"]).only == ["tcp1", "ping"]
    assert "idle" in arguments([]).only
    with pytest.raises(SystemExit):
        arguments(["--only", "tcp7"])
    assert "tcp7" in capsys.readouterr().err


def test_garbage_is_half_noise_half_like_data() -> None:
    made = datagrams(random.Random(1), 100)
    assert sum(datagram[0] == 6 and datagram[1] == 0 and datagram[2] == 1 for datagram in made) >= 50
    assert all(20 <= len(datagram) <= 1400 for datagram in made)


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.25, "0.25"), (12.345, "12.3"), (45678.9, "45679")])
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number(value) == text
