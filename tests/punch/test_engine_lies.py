"""A member that lies: forged sources, false words, endless asking. It harms itself, and nobody else."""

from __future__ import annotations

import pytest

from punch import probe as wire
from punch.commands import OpenSockets
from punch.facts import Heard, NetworkChanged, PeerHeard, PeerUp, PeerWanted, SendFailed, SignalReceived
from punch.manners import FREE_PORTS, HOST_PACKETS
from punch.signals import Aim, Offer, Signal, Stop
from punch.strategies.anchoring import BLOCK_GROUPS
from punch.strategies.anchoring import FREE_PORTS as TARGETS
from punch.values import Candidate, Endpoint, NatProfile, udp
from tests.punch.engines import Home, Village
from tests.punch.test_engine import HARD, keep_wanting, village

VICTIM = "203.0.113.7"
LIAR = "198.51.100.77"
EASY = NatProfile(mapping="eim", filtering="apdf", hosts=(LIAR,), reflexive=udp(LIAR, 5000))
COUNTER = NatProfile(
    mapping="apdm", filtering="apdf", allocation="sequential", step=1, hosts=(LIAR,), reflexive=udp(LIAR, 5000)
)


class Liar:
    """A member `mal` of ann's that says what it likes."""

    def __init__(self, made: Village, *, first: bool = False) -> None:
        self.made, self.home = made, made.homes["ann"]
        carry = self.home._carry
        self.home._carry = lambda said: self.heard.append(said.signal) if said.peer == b"mal" else carry(said)
        self.heard: list[Signal] = []
        self._number = 100
        made.tell("ann", PeerUp(b"mal", b"1" * 32, b"2" * 32, 3, first))

    def say(self, signal: Signal) -> None:
        self.made.tell("ann", SignalReceived(b"mal", signal))

    def ask(self, profile: NatProfile = EASY, *candidates: Endpoint, reply: int | None = None) -> None:
        self._number += 1
        named = tuple(Candidate(each, "local") for each in candidates)
        self.say(Offer(self._number if reply is None else reply, reply is not None, 77, profile, named, True))

    def probe(self, source: Endpoint, random: int) -> None:
        """A probe of mal's whose source is whatever it writes there."""
        attempt = self.home.engine._attempt_of(b"mal")
        assert attempt is not None
        probe = wire.Probe(wire.PROBE, 3, 0, attempt.label, attempt.number, random.to_bytes(8, "little"))
        self.home.receive(wire.encode(probe, b"2" * 32), source, to=udp("x", 27182), now=self.made.world.now)

    def end(self, reason: str) -> None:
        attempt = self.home.engine._attempt_of(b"mal")
        if attempt is not None:
            self.say(Stop(attempt.number, reason))


def to(home: Home, host: str) -> list[Endpoint]:
    return [each.to for _, each in home.sent if each.to.host == host]


@pytest.mark.parametrize(
    "source", [udp(VICTIM, 53), udp("127.0.0.1", 2222), udp("10.0.0.1", 5353), udp("224.0.0.1", 9999)]
)
def test_where_no_answer_may_go_there_is_no_hole(source: Endpoint) -> None:
    made = village("nat3", "nat3")
    liar = Liar(made)
    liar.ask()
    liar.probe(source, 1)
    assert not liar.home.holes
    assert not to(liar.home, source.host)
    assert liar.home.engine.drops["probe_source"] == 1
    liar.probe(udp(LIAR, 5001), 1)
    assert [each.endpoint for each in liar.home.holes] == [udp(LIAR, 5001)], "it was not spent on the forged source"


def test_forged_sources_open_no_holes_beyond_what_a_victim_may_get() -> None:
    made = village("nat3", "nat3")
    liar, home = Liar(made), made.homes["ann"]
    home.proves = False
    for number in range(30):
        liar.ask()
        for port in range(48 if home.engine._attempt_of(b"mal") else 0):
            liar.probe(udp(VICTIM, 2000 + port // 4), 1000 * number + port)
        made.world.run_for(10.0)
        liar.end("exhausted")
    got = to(home, VICTIM)
    assert 0 < len(got) <= HOST_PACKETS
    assert len({each.port for each in got}) <= FREE_PORTS


def test_an_answer_from_elsewhere_is_no_hole_either() -> None:
    made = village("nat3", "nat3")
    liar, home = Liar(made), made.homes["ann"]
    liar.ask()
    attempt = home.engine._attempt_of(b"mal")
    assert attempt is not None
    sent = next(each for _, each in home.sent if each.to == udp(LIAR, 5000))
    probe = wire.peek(sent.payload)
    assert isinstance(probe, wire.Probe)
    answer = wire.encode(wire.answer_to(probe, epoch=3, label=attempt.label), b"2" * 32)
    home.receive(answer, udp("127.0.0.1", 53), to=udp("x", 27182), now=made.world.now)
    made.world.run_for(2.0)
    assert not home.holes
    assert not to(home, "127.0.0.1")


def test_only_a_proof_lets_a_hosts_count_begin_anew() -> None:
    made = village("nat3", "nat3")
    liar, home = Liar(made), made.homes["ann"]
    manners = home.engine._outlet.manners
    liar.ask()
    liar.probe(udp(VICTIM, 4000), 1)
    assert len(manners._hosts[VICTIM].packets) == 1
    made.tell("ann", PeerHeard(b"mal", VICTIM))
    assert VICTIM not in manners._hosts


def test_words_for_strangers_do_not_pile_up_and_no_word_is_for_ever() -> None:
    made = village("nat3", "nat3")
    manners = made.homes["ann"].engine._outlet.manners
    for number in range(5000):
        made.tell("ann", Heard(b"%d" % number, VICTIM, b"relay"))
    assert not manners._vouched
    assert len(manners._early) <= 64
    Liar(made)
    made.tell("ann", Heard(b"mal", VICTIM, b"relay"))
    assert manners.vouched(b"mal", now=made.world.now)
    made.world.run_for(91.0)
    assert not manners.vouched(b"mal", now=made.world.now)


@pytest.mark.parametrize("reason", ["idle", "network_changed", "peer_changed", "peer_gone", "direct", "off", "\x1bzz"])
def test_who_ends_each_try_is_not_tried_for_ever(reason: str) -> None:
    made = village("nat3", "nat3")
    liar = Liar(made, first=True)
    offers = 0
    for _ in range(600):
        made.tell("ann", PeerWanted(b"mal", "traffic"))
        offers += sum(1 for each in liar.heard if isinstance(each, Offer) and not each.reply)
        liar.heard.clear()
        liar.end(reason)
        made.world.run_for(0.1)
    assert 1 <= offers <= 4, "one at once, then each 30 s at most"


def test_hosts_that_a_peer_names_are_few_in_all() -> None:
    made = village("nat3", "nat3")
    liar = Liar(made)
    for number in range(60):
        named = [udp(f"11.{number}.{place}.1", 4000) for place in range(12)]
        liar.ask(NatProfile(mapping="eim", filtering="apdf"), *named)
        made.world.run_for(5.0)
        liar.end("network_changed")
    hosts = {each.to.host for _, each in liar.home.sent if each.to.host.startswith("11.")}
    assert 0 < len(hosts) <= 24


NEAR = ("10.0.0.1", "192.168.0.9", "100.64.0.1", "169.254.169.254", "172.16.5.5")


@pytest.mark.parametrize("vouched", [False, True])
def test_private_addresses_are_near_by_another_members_word_only(vouched: bool) -> None:
    made = village("nat3", "nat3")
    liar, home = Liar(made), made.homes["ann"]
    seen = home.engine.profile.reflexive
    assert seen is not None
    if vouched:
        made.tell("ann", Heard(b"mal", seen.host, b"relay"))
    liar.ask(NatProfile(mapping="eim", hosts=(seen.host,), reflexive=udp(seen.host, 5)), *(udp(x, 5353) for x in NEAR))
    made.world.run_for(3.0)
    assert bool([each for host in NEAR for each in to(home, host)]) is vouched


def test_nothing_goes_to_ourselves_to_all_or_into_the_overlay() -> None:
    made = village("nat3", "nat3")
    own = made.world.addresses("ann")[0]
    lan = own.rpartition(".")[0]
    hosts = (own, f"{lan}.63", f"{lan}.255", "10.44.3.7")
    made.tell("ann", NetworkChanged("home", (own,), overlay=("10.44.0.0/16",), broadcast=(f"{lan}.63",)))
    liar, home = Liar(made), made.homes["ann"]
    seen = home.engine.profile.reflexive
    assert seen is not None
    made.tell("ann", Heard(b"mal", seen.host, b"relay"))
    liar.ask(NatProfile(mapping="eim", hosts=(seen.host,)), *(udp(host, 5353) for host in hosts), udp(f"{lan}.9", 5353))
    made.world.run_for(3.0)
    assert to(home, f"{lan}.9")
    assert not [each for host in hosts for each in to(home, host)]
    for number, host in enumerate(hosts):
        liar.probe(udp(host, 5353), number)
    assert not home.holes


def test_members_that_ask_and_fall_silent_leave_our_own_places_free() -> None:
    made = village("nat3", "nat3")
    for number in range(24):
        made.tell("ann", PeerUp(b"m%d" % number, b"1" * 32, b"2" * 32, 3, first=False))
        offer = Offer(7, False, 77, COUNTER, (), True)
        made.tell("ann", SignalReceived(b"m%d" % number, offer))
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: made.met("ann", "bob"), within=2.0)


def test_a_peer_whose_search_is_over_lets_others_go_first() -> None:
    made = village("nat3", "nat4-uniform")
    liar, home = Liar(made), made.homes["ann"]
    made.tell("ann", Heard(b"mal", LIAR, b"relay"))
    wild = NatProfile(mapping="apdm", filtering="apdf", allocation="uniform", hosts=(LIAR,), reflexive=udp(LIAR, 5000))
    liar.ask(wild)
    made.world.run_for(1.0)
    assert home.engine._lent.is_searching
    made.introduce("ann", "bob")
    for _ in range(180):
        made.want("ann", "bob")
        if home.engine._attempt_of(b"mal") is None:
            liar.ask(wild)
        made.world.run_for(0.5)
        if made.met("ann", "bob"):
            break
    assert made.met("ann", "bob")


def test_one_candidate_that_the_kernel_refuses_ends_nothing_else() -> None:
    made = village("nat3", "nat4-uniform", seed=3)
    liar, home = Liar(made), made.homes["ann"]
    made.introduce("ann", "bob")
    made.want("ann", "bob")
    made.world.run_until(lambda: len(home.probes_sent()) > 20, within=3.0)
    rate = home.engine.budget(made.world.now).rate
    liar.ask(EASY, udp(VICTIM, 5353))
    refused = to(home, VICTIM)[0]
    made.tell("ann", SendFailed(home.probes_sent()[-1][1].via, refused, "EPERM"))
    assert home.engine.budget(made.world.now).rate == rate
    before = len(to(home, VICTIM))
    keep_wanting(made, 10)
    assert len(to(home, VICTIM)) == before, "it gets no more"
    assert made.met("ann", "bob")


def test_no_port_is_bound_that_an_anchor_does_not_draw() -> None:
    made = village("nat4-preserving", "nat3", config=HARD)
    liar, home = Liar(made), made.homes["ann"]
    made.tell("ann", Heard(b"mal", LIAR, b"relay"))
    asked: list[OpenSockets] = []
    bind = home._open

    def note(command: OpenSockets) -> None:
        asked.append(command)
        bind(command)

    home._open = note  # type: ignore[method-assign]
    liar.ask(COUNTER)
    attempt = home.engine._attempt_of(b"mal")
    assert attempt is not None
    assert attempt.strategy == "anchor_walk"
    for port in (53, 443, 5353, 27183, *range(TARGETS[0] - 5, TARGETS[0] + 50)):
        liar.say(Aim(attempt.number, 1, port, 4000, LIAR, 5, 1.0))
    assert [each.port for each in asked] == list(TARGETS[:BLOCK_GROUPS])


def test_a_way_that_only_they_speak_of_is_not_said_to_have_come_through() -> None:
    made = village("nat3", "nat3")
    liar, home = Liar(made), made.homes["ann"]
    liar.ask()
    liar.end("direct")
    made.world.run_for(8.0)
    view = home.engine.view(b"mal", made.world.now)
    assert (view.reason, view.text) == ("unproven", "they say that a direct way is there; here none was proven")
