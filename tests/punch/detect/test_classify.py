"""Answers -> profile, without a world."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from punch.detect.classify import Seen, Tests, Towards, classify, undecided
from punch.values import Endpoint, udp

OUT, OTHER = "198.51.100.8", "198.51.100.9"


def seen(socket: int, towards: Towards, external: Endpoint | None, *, at: float = 0.0, again: bool = False) -> Seen:
    order = 3 * socket + ("main", "port", "host").index(towards)
    return Seen(
        socket=socket, local=40000 + 37 * socket, towards=towards, order=order, at=at, external=external, again=again
    )


def fresh(port: Callable[[int], int], *, sockets: int = 9, spread: float = 0.02) -> tuple[Seen, ...]:
    """Fresh sockets behind an endpoint-independent NAT."""
    return tuple(seen(n, "main", udp(OUT, port(n)), at=n * spread) for n in range(sockets))


def pairs(towards: Towards, *, differ: int, sockets: int = 4) -> tuple[Seen, ...]:
    """The second answers of some of `fresh(5000 + n)`."""
    return tuple(seen(n, towards, udp(OUT, 5000 + n + differ)) for n in range(sockets))


@pytest.mark.parametrize(
    ("port", "host", "mapping"),
    [(0, 0, "eim"), (0, 900, "adm"), (900, 900, "apdm"), (900, 0, "apdm"), (0, None, "eim"), (None, 900, "apdm")],
)
def test_mapping_is_read_from_second_answers(port: int | None, host: int | None, mapping: str) -> None:
    answers = fresh(lambda n: 5000 + n)
    if port is not None:
        answers += pairs("port", differ=port)
    if host is not None:
        answers += pairs("host", differ=host)
    tests = Tests(seen=answers, other_port=False, differ=True)
    profile = classify(tests)
    assert profile.mapping == mapping
    assert ("mapping" in undecided(tests, profile)) == (
        (host is None and mapping == "eim") or (port is None and mapping == "apdm")
    )


def test_a_word_that_others_do_not_bear_out_is_undecided() -> None:
    adm = fresh(lambda n: 5000 + n) + pairs("port", differ=0) + pairs("host", differ=900)
    for differ in (False, True):
        tests = Tests(seen=adm, other_port=False, differ=differ)
        assert ("mapping" in undecided(tests, classify(tests))) != differ
    apdm = fresh(lambda n: 5000 + n) + pairs("port", differ=900) + pairs("host", differ=900)
    for agree in (False, True):
        tests = Tests(seen=apdm, other_port=False, agree=agree)
        assert ("mapping" in undecided(tests, classify(tests))) == agree


def test_nothing_known_is_unknown() -> None:
    profile = classify(Tests())
    assert (profile.mapping, profile.filtering, profile.allocation, profile.type) == ("unknown",) * 4
    assert "mapping" in undecided(Tests(), profile)


@pytest.mark.parametrize(
    ("port", "host", "filtering"),
    [
        (None, None, "unknown"),
        (False, None, "apdf"),
        (False, False, "apdf"),
        (True, None, "adf"),
        (True, False, "adf"),
        (True, True, "eif"),
        (None, True, "eif"),
    ],
)
def test_filtering_is_read_from_who_comes_in(port: bool | None, host: bool | None, filtering: str) -> None:
    tests = Tests(other_port=port, other_host=host)
    profile = classify(tests)
    assert profile.filtering == filtering
    decided = "filtering" not in undecided(tests, profile)
    assert decided == (filtering == "eif" or filtering == "apdf" or host is False)


@pytest.mark.parametrize("step", [1, -1, 2, -2, 4, 8, 256, -3])
def test_a_counter_and_its_step(step: int) -> None:
    profile = classify(Tests(seen=fresh(lambda n: 30000 + step * n)))
    assert (profile.allocation, profile.step, profile.foreign) == ("sequential", step, 0.0)


def test_others_on_the_counter_are_counted() -> None:
    profile = classify(Tests(seen=fresh(lambda n: 30000 + 2 * n + 2 * 2 * n, spread=0.04)))
    assert (profile.allocation, profile.step) == ("sequential", 6)  # a steady rate looks like a step
    dice = random.Random(1)
    ports = [30000]
    for _ in range(8):
        ports.append(ports[-1] + 2 * (1 + dice.choice([0, 1, 2, 3])))
    profile = classify(Tests(seen=fresh(ports.__getitem__, spread=0.04)))
    others = (ports[-1] - ports[0]) // 2 - 8
    assert (profile.allocation, profile.step) == ("sequential", 2)
    assert profile.foreign == pytest.approx(others / 0.32)


def test_a_counter_that_turns_over_or_is_reordered_is_still_one() -> None:
    assert classify(Tests(seen=fresh(lambda n: (64000 + 600 * 0 + n) if n < 5 else 1019 + n))).step == 1
    swapped = [0, 1, 3, 2, 4, 5, 6, 7, 8]
    assert classify(Tests(seen=fresh(lambda n: 30000 + swapped[n]))).step == 1


def test_an_answer_asked_for_twice_has_no_sure_place() -> None:
    answers = list(fresh(lambda n: 30000 + n))
    answers[3] = seen(3, "main", udp(OUT, 30009), at=0.06, again=True)
    profile = classify(Tests(seen=tuple(answers)))
    assert (profile.allocation, profile.step) == ("sequential", 1)


def test_a_mapping_without_answer_counts() -> None:
    answers = list(fresh(lambda n: 30000 + 4 * n))
    answers[3] = seen(3, "main", None, at=0.06)
    assert classify(Tests(seen=tuple(answers))).step == 4


def test_kept_ports_are_kept_with_a_few_conflicts() -> None:
    def port(n: int) -> int:
        return 1234 if n == 4 else 40000 + 37 * n

    assert classify(Tests(seen=fresh(port))).allocation == "preserving"


def test_blocks_clusters_and_the_whole_range() -> None:
    dice = random.Random(4)
    blocks = {classify(Tests(seen=fresh(lambda n: 1024 + 7 * 1024 + dice.randrange(1024)))) for _ in range(20)}
    assert {profile.allocation for profile in blocks} == {"block"}
    for profile in blocks:
        assert profile.block is not None
        low, size = profile.block
        assert low >= 8192
        assert low + size <= 9216
    near = classify(Tests(seen=fresh(lambda n: 30000 + dice.randint(-40, 40))))
    assert near.allocation == "cluster"
    assert classify(Tests(seen=fresh(lambda n: dice.randint(1024, 65535)))).allocation == "uniform"


def test_several_outside_addresses_are_pooled() -> None:
    answers = tuple(seen(n, "main", udp(OUT if n % 3 else OTHER, 5000 + 77 * n)) for n in range(9))
    profile = classify(Tests(seen=answers))
    assert profile.pooling == "arbitrary"
    assert profile.hosts == (OUT, OTHER)
    assert classify(Tests(seen=fresh(lambda n: 5000 + n))).pooling == "paired"
    assert classify(Tests(seen=fresh(lambda n: 5000 + n, sockets=3))).pooling == "unknown"


def test_parity_needs_many_and_one_is_enough_against_it() -> None:
    dice = random.Random(9)

    def even(n: int) -> int:
        return dice.randrange(1024, 65536, 2) | (37 * n & 1)

    assert classify(Tests(seen=fresh(even))).parity is True
    assert classify(Tests(seen=fresh(even, sockets=5))).parity is None
    assert classify(Tests(seen=fresh(lambda n: even(n) ^ (n == 7)))).parity is False


def test_an_own_address_with_its_own_port_is_open() -> None:
    answers = fresh(lambda n: 40000 + 37 * n)
    profile = classify(Tests(seen=answers, addresses=(OUT,)))
    assert profile.open
    assert profile.type == "open"
    assert not classify(Tests(seen=answers, addresses=("192.168.0.2",))).open
    assert not classify(Tests(seen=fresh(lambda n: 5 + n), addresses=(OUT,))).open


def test_poison_means_nothing_where_every_destination_has_its_port() -> None:
    answers = fresh(lambda n: 5000 + n)
    easy = Tests(seen=answers + pairs("port", differ=0) + pairs("host", differ=0), poisonable=True)
    assert classify(easy).poisonable is True
    hard = Tests(seen=answers + pairs("port", differ=900), poisonable=True)
    assert classify(hard).poisonable is None
