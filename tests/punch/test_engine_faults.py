"""Whatever goes wrong, an attempt ends within its bound, with its reason in the journal."""

from __future__ import annotations

import random

import pytest
from msgspec import structs

from punch.attempt import LIFE, OFFER_LIFE
from punch.commands import SendDatagram, SendSignal
from punch.config import PunchConfig
from punch.facts import NetworkChanged, PeerDown, PeerWanted, SendFailed, SignalReceived
from punch.manners import FREE_PACKETS, FREE_PORTS
from punch.signals import Offer, Sampled, Signal, Stop
from punch.sim import Datagram
from punch.values import Candidate, NatProfile, udp
from tests.punch.engines import Village
from tests.punch.test_engine import HARD, meet, village

VICTIM = "203.0.113.7"


def last_reason(made: Village, name: str) -> str:
    return made.homes[name].ended[-1].reason


def rewrite(made: Village, name: str, change: object) -> None:
    """Let `name` lie: its offers are changed on their way."""
    assert callable(change)
    carry = made.homes[name]._carry

    def lie(said: SendSignal) -> None:
        signal: Signal = change(said.signal) if isinstance(said.signal, Offer) else said.signal
        carry(SendSignal(said.peer, signal))

    made.homes[name]._carry = lie


def to_victim(made: Village, name: str) -> list[SendDatagram]:
    return [each for _, each in made.homes[name].sent if each.to.host == VICTIM]


def test_one_side_four_seconds_late() -> None:
    made = Village(1)
    made.add("ann", "nat3")
    made.world.run_for(1.0)
    made.add("bob", "nat3")
    made.introduce("ann", "bob")
    made.lost = lambda name, said: made.world.now < 5.0
    for _ in range(8):
        made.want("ann", "bob")
        made.world.run_for(1.0)
    assert made.met("ann", "bob")


def test_a_silent_engine() -> None:
    made = village("nat3", "nat3")
    made.lost = lambda name, said: True
    made.introduce("ann", "bob")
    made.world.run_for(OFFER_LIFE + 1.0)
    assert last_reason(made, "ann") == "no_answer"
    view = made.homes["ann"].engine.view(b"bob", made.world.now)
    assert view.fix[0].startswith("update the other side")
    assert len([each for _, each in made.homes["ann"].signals]) <= 10
    assert not made.homes["ann"].probes_sent()


@pytest.mark.parametrize("bob", ["nat3", "nat4-sequential", "nat4-block-1024", "nat4-uniform"])
def test_silent_in_the_middle(bob: str) -> None:
    made = village("nat3", bob)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: made.homes["ann"].engine.view(b"bob", made.world.now).strategy != "", within=3.0)
    made.world.remove("bob")
    made.lost = lambda name, said: True
    made.world.run_for(LIFE + 1.0)
    assert made.homes["ann"].ended
    assert last_reason(made, "ann") in ("exhausted", "no_answer")
    assert list(made.homes["ann"].sockets) == [1]


def test_signals_get_lost() -> None:
    dice = random.Random(5)
    for seed in range(6):
        made = village("nat3", "nat4-sequential", seed=seed)
        made.lost = lambda name, said: dice.random() < 0.15
        made.introduce("ann", "bob")
        for _ in range(40):
            made.want("ann", "bob")
            made.world.run_for(1.0)
            if made.met("ann", "bob"):
                break
        assert made.met("ann", "bob"), seed


@pytest.mark.parametrize("ann", ["nat3", "nat4-sequential"])
def test_a_victims_address_gets_next_to_nothing(ann: str) -> None:
    made = village(ann, "nat4-uniform", config=PunchConfig(nat3_nat4="always", nat4_nat4="always"))
    ports = [udp(VICTIM, port) for port in range(2000, 2012)]

    def lie(offer: Offer) -> Offer:
        profile = NatProfile(
            mapping="apdm", allocation="sequential", step=1, hosts=(VICTIM,), reflexive=udp(VICTIM, 4000)
        )
        candidates = tuple(Candidate(each, "public") for each in ports)
        return structs.replace(offer, profile=profile, candidates=candidates)

    rewrite(made, "bob", lie)
    made.introduce("ann", "bob", vouched=False)
    for _ in range(500):
        made.want("ann", "bob")
        made.world.run_for(1.0)
    aimed = to_victim(made, "ann")
    assert len({each.to.port for each in aimed}) <= FREE_PORTS
    assert len(aimed) <= 60
    assert "unvouched" in {each.reason for each in made.homes["ann"].ended} or not aimed


def test_a_vouched_peer_cannot_turn_a_search_on_somebody_else() -> None:
    made = village("nat3", "nat4-uniform")

    def lie(offer: Offer) -> Offer:
        profile = structs.replace(offer.profile, hosts=(VICTIM,), reflexive=udp(VICTIM, 4000))
        return structs.replace(offer, profile=profile, candidates=(Candidate(udp(VICTIM, 53), "given"),))

    rewrite(made, "bob", lie)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_for(30.0)
    aimed = to_victim(made, "ann")
    assert len({each.to.port for each in aimed}) <= FREE_PORTS
    assert all(sum(1 for each in aimed if each.to == to.to) <= FREE_PACKETS for to in aimed)


def test_a_lying_profile_ends_and_is_named() -> None:
    made = village("nat3", "nat4-uniform")
    rewrite(made, "bob", lambda offer: structs.replace(offer, profile=NatProfile(mapping="eim", filtering="eif")))
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_for(20.0)
    assert last_reason(made, "ann") in ("exhausted", "direct", "peer_changed")
    assert len(made.homes["ann"].probes_sent()) < 40


def test_a_flood_of_signals_is_counted_and_dropped() -> None:
    made = village("nat3", "nat3")
    made.introduce("ann", "bob")
    before = len(made.homes["ann"].signals)
    for number in range(5000):
        offer = Offer(number, reply=False, label=number, profile=NatProfile(), candidates=(), demand=True)
        made.tell("ann", SignalReceived(b"bob", offer))
        made.tell("ann", SignalReceived(b"bob", Sampled(number, 0, (), ())))
    assert made.homes["ann"].engine.drops["signal_rate"] > 9000
    assert len(made.homes["ann"].signals) - before < 80
    assert len(made.homes["ann"].probes_sent()) < 40


def test_probes_of_others_and_replays_are_not_answered() -> None:
    made = village("nat3", "nat3")
    caught: list[Datagram] = []

    def tap(datagram: Datagram) -> Datagram:
        if len(datagram.payload) == 36:
            caught.append(datagram)
        return datagram

    made.world.tap(tap)
    meet(made)
    ann = made.homes["ann"]
    answers = len(ann.probes_sent())
    for datagram in [*caught, *caught]:
        for host in made.world.addresses("ann"):
            ann.receive(datagram.payload, datagram.source, to=udp(host, 27182), now=made.world.now)
        forged = bytearray(datagram.payload)
        forged[-1] ^= 1
        ann.receive(bytes(forged), datagram.source, to=udp(host, 27182), now=made.world.now)
    assert len(ann.probes_sent()) == answers
    assert ann.engine.drops["probe_unknown"] > 0
    assert len(ann.holes) == 1


def test_a_replay_in_a_live_attempt_is_answered_once() -> None:
    made = village("nat3", "nat3")
    ann, bob = made.homes["ann"], made.homes["bob"]
    ann.proves = bob.proves = False
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: bool(ann.holes), within=1.0)
    hole = ann.holes[0]
    probes = [each for _, each in bob.probes_sent() if each.payload[0] == 8]
    before = len(ann.probes_sent())
    for _ in range(5):
        for each in probes:
            ann.receive(each.payload, hole.endpoint, to=udp("x", 27182), now=made.world.now)
    assert len(ann.probes_sent()) - before <= len(probes)
    assert ann.engine.drops["probe_again"] >= 4


def test_noise_on_every_socket_changes_nothing() -> None:
    made = village("nat3", "nat4-block-1024")
    dice = random.Random(1)
    made.introduce("ann", "bob")
    made.want("ann", "bob")

    def noise() -> None:
        for home in made.homes.values():
            for via, port in list(home.sockets.items()):
                if via in home.sockets:
                    payload = bytes([dice.choice([0, 1, 8, 9, 200])]) + dice.randbytes(dice.choice([0, 19, 35, 60]))
                    home.receive(payload, udp("198.51.100.99", 5), to=udp("x", port), now=made.world.now)

    for step in range(50):
        made.world.at(made.world.now + step * 0.01, noise)
    made.world.run_until(lambda: made.met("ann", "bob"), within=3.0)


@pytest.mark.parametrize("error", ["EPERM", "ENOBUFS", "icmp 3/13"])
def test_a_refusing_kernel_stops_it_and_halves_the_budget(error: str) -> None:
    made = village("nat3", "nat4-uniform", seed=3)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: len(made.homes["ann"].probes_sent()) > 20, within=3.0)
    _, sent = made.homes["ann"].probes_sent()[-1]
    made.tell("ann", SendFailed(sent.via, sent.to, error))
    assert last_reason(made, "ann") == "refused"
    assert made.homes["ann"].engine.budget(made.world.now).rate <= 33.0 / 2
    made.world.run_for(0.1)
    assert last_reason(made, "bob") == "refused"


def test_other_send_errors_are_hints_only() -> None:
    made = village("nat3", "nat3")
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.tell("ann", SendFailed(made.homes["ann"].engine._outlet.main or 0, udp("192.0.2.9", 1), "EHOSTUNREACH"))  # type: ignore[arg-type]
    made.world.run_until(lambda: made.met("ann", "bob"), within=1.0)


@pytest.mark.parametrize(("there", "reasons"), [(12, ("direct", "exhausted")), (1, ("exhausted", "sockets"))])
def test_files_used_up(there: int, reasons: tuple[str, ...]) -> None:
    made = village("nat3", "nat4-block-1024")
    made.homes["bob"].most_sockets = there
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_for(LIFE)
    assert last_reason(made, "bob") in reasons
    assert len(made.homes["bob"].sockets) <= there


def test_the_network_changes_in_the_middle() -> None:
    made = village("nat3", "nat4-uniform", seed=3)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: len(made.homes["bob"].sockets) > 20, within=2.0)
    made.tell("bob", NetworkChanged("cafe", tuple(made.world.addresses("bob"))))
    made.world.run_for(0.1)
    assert last_reason(made, "bob") == "network_changed"
    assert last_reason(made, "ann") == "peer_changed"
    for _ in range(30):
        made.want("ann", "bob")
        made.world.run_for(1.0)
    assert made.met("ann", "bob")


def test_a_peer_that_is_gone() -> None:
    made = village("nat3", "nat4-uniform", seed=3)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: len(made.homes["bob"].sockets) > 20, within=2.0)
    made.tell("bob", PeerDown(b"ann"))
    assert last_reason(made, "bob") == "peer_gone"
    assert made.homes["bob"].engine.view(b"ann", made.world.now).retry is None


def test_the_clock_jumps() -> None:
    made = village("nat3", "nat4-uniform", seed=3)
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: len(made.homes["bob"].sockets) > 20, within=2.0)
    made.world.sleep("bob")
    made.world.run_for(36_000.0)
    made.world.wake("bob")
    made.world.run_for(1.0)
    assert made.homes["bob"].ended
    for _ in range(20):
        made.want("ann", "bob")
        made.world.run_for(1.0)
    assert made.met("ann", "bob")
    made.world.run_for(300.0)
    assert set(made.homes["bob"].sockets) == {1, made.homes["bob"].holes[-1].via}


@pytest.mark.parametrize(
    "bob", ["nat4-forgetful", "nat4-tiny", "nat4-slow", "nat4-quota", "nat3-screened", "nat3-tiny"]
)
def test_nats_with_a_temper(bob: str) -> None:
    made = village("nat3", bob, config=HARD)
    made.introduce("ann", "bob")
    for _ in range(100):
        made.want("ann", "bob")
        made.world.run_for(1.0)
        if made.met("ann", "bob"):
            break
    for home in made.homes.values():
        assert home.ended, "it ends, one way or the other"


def test_a_stop_for_another_attempt_is_no_matter() -> None:
    made = village("nat3", "nat3")
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.tell("ann", SignalReceived(b"bob", Stop(12345, "off")))
    made.world.run_until(lambda: made.met("ann", "bob"), within=1.0)
    assert made.homes["ann"].engine.drops["signal_stale"] == 1


@pytest.mark.parametrize("reason", ["", "\x1b[2J", "two words", "owned", "direct_"])
def test_a_stop_whose_reason_is_no_word_is_told_by_one_of_ours(reason: str) -> None:
    made = village("nat3", "nat4-uniform")
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: bool(made.homes["ann"].engine._running()), within=1.0)
    (attempt,) = made.homes["ann"].engine._attempts.values()
    made.tell("ann", SignalReceived(b"bob", Stop(attempt.number, reason)))
    assert last_reason(made, "ann") == "exhausted"


def test_a_server_that_fell_silent_is_not_asked_for_ever() -> None:
    made = village("nat3", "nat4-sequential")
    made.services[0].silent = True
    made.introduce("ann", "bob")
    for _ in range(100):
        made.want("ann", "bob")
        made.world.run_for(1.0)
        if made.met("ann", "bob"):
            break
    assert made.met("ann", "bob")


def test_nobody_measures_for_us() -> None:
    made = Village(1)
    for name in ("ann", "bob"):
        made.add(name, "nat3", servers=False)
    made.introduce("ann", "bob")
    made.tell("ann", PeerWanted(b"bob", "demand"))
    made.world.run_for(10.0)
    assert last_reason(made, "ann") == "no_server"
    assert made.homes["ann"].engine.view(b"bob", made.world.now).fix[0].startswith("name a STUN server")


def test_a_peer_that_comes_back_is_tried_at_once_but_not_for_ever() -> None:
    made = village("nat3", "nat4-uniform", config=PunchConfig(nat3_nat4="off"))
    made.introduce("ann", "bob")
    peer = made.homes["ann"].engine._peers.get(b"bob")
    assert peer is not None
    ups = 0
    for _ in range(20):
        peer.failures, peer.next_at = 3, made.world.now + 600.0
        made.tell("ann", PeerDown(b"bob"))
        made.introduce("ann", "bob")
        ups += peer.next_at <= made.world.now
        assert peer.failures == 0
        made.world.run_for(1.0)
    assert ups == 1
