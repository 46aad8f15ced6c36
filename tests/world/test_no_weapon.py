"""A member that lies aims nobody: what goes to one host is counted, whatever record, probe or word named it."""

from typing import Any

import pytest

from overlay.node.facts import AddressesChanged
from overlay.paths.board import KNOCKS
from overlay.paths.facts import CircuitLost, CircuitReady, SignalHeard
from overlay.paths.way import SMALL
from overlay.values import Label, NodeId
from overlay.wire.frame import CONTROL
from overlay.wire.messages import Heard as HeardMessage
from punch import facts as tell
from punch import probe as wire
from punch.config import PunchConfig
from punch.engine import Engine
from punch.signals import Offer, Stop
from punch.sim.host import Datagram
from punch.sim.model import NatModel
from punch.values import NatProfile, udp
from tests.kit.village import Village, packet

VICTIM = "198.51.100.77"
UNIFORM = NatModel(mapping="apdm", allocator="uniform")


def test_a_record_that_names_a_victim_brings_it_few_packets() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        mallory = village.join("mallory", "vps")
        for number in range(5):
            village.join(f"n{number}", "vps")
        village.world.run_until(village.all_connected, within=10.0)
        hits: dict[str, int] = {}

        def count(datagram: Datagram) -> Datagram:
            if datagram.to.host == VICTIM:
                hits[datagram.source.host] = hits.get(datagram.source.host, 0) + 1
            return datagram

        village.world.tap(count)
        own = village.world.addresses("mallory")[0]
        for turn in range(60):
            victim = ((own, 32, "eth0"), (VICTIM, 32, f"x{turn}"))
            mallory.tell(AddressesChanged(victim if turn % 2 else victim[:1]), now=village.world.now)
            village.world.run_for(10.0)
        honest = {host: sent for host, sent in hits.items() if host != own}
        assert honest
        assert max(honest.values()) <= 60


def test_strangers_that_a_member_names_in_circuits_are_not_kept() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.join("ann", "vps")
        village.join("bob", "vps")
        village.part("ann", "bob")
        village.paths(within=5.0, ann_bob="relay via vps")
        dice = village.world.dice("strangers")
        rooms = village.nodes["ann"].node._rooms
        vps = village.nodes["vps"].node.id
        before = len(rooms.paths._board.peers)
        for number in range(500):
            stranger = NodeId(dice.randbytes(32))
            rooms.paths.tell(CircuitReady(stranger, vps, Label(number)), now=village.world.now)
            rooms.paths.tell(CircuitLost(stranger, vps), now=village.world.now)
        assert len(rooms.paths._board.peers) == before


def _engine(village: Village, name: str) -> Any:
    return village.nodes[name].node._rooms.paths.punching._engine


def _told(monkeypatch: pytest.MonkeyPatch, kind: type[Any]) -> list[tuple[Any, float]]:
    """What the engines are told of one kind from now on, and when."""
    found: list[tuple[Any, float]] = []
    tells = Engine.tell

    def listen(self: Engine, fact: Any, *, now: float) -> None:
        if isinstance(fact, kind):
            found.append((fact, now))
        tells(self, fact, now=now)

    monkeypatch.setattr(Engine, "tell", listen)
    return found


def _silence(village: Village, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of a member says nothing any more: the test speaks for it."""
    monkeypatch.setattr(_engine(village, name), "commands", lambda: iter(()))


def test_probes_with_forged_sources_bring_a_victim_few_small_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    told = _told(monkeypatch, tell.PeerUp)
    village = Village()
    with village.world:
        village.join("vps")
        village.behind("ann", NatModel(), "vps")
        village.behind("mal", UNIFORM, "vps")
        village.world.run_for(8.0)
        ann, mal, engine = village.nodes["ann"], village.nodes["mal"].node.id, _engine(village, "ann")
        _silence(village, "mal", monkeypatch)
        hits = village.recorded()
        keys, forged = next(fact for fact, _ in reversed(told) if fact.peer == mal), 0
        profile = NatProfile(mapping="eim", filtering="apdf", reflexive=udp("198.51.100.2", 5000))

        def says(signal: Any) -> None:
            ann.node._rooms.paths.tell(SignalHeard(mal, signal), now=village.world.now)

        for number in range(40):
            says(Offer(9000 + number, False, 77, profile, (), True))
            village.world.run_for(0.05)
            attempt = engine._attempt_of(mal)
            if attempt is not None:
                forged += 1
                probe = wire.Probe(wire.PROBE, keys.epoch, 0, attempt.label, attempt.number, number.to_bytes(8, "big"))
                source = udp(VICTIM, 53 if number % 2 else 4000 + number)
                ann.receive(
                    wire.encode(probe, keys.open_key), source, to=udp("192.168.1.2", 27182), now=village.world.now
                )
                village.world.run_for(4.0)
                if (attempt := engine._attempt_of(mal)) is not None:
                    says(Stop(attempt.number, "idle"))
            village.world.run_for(4.0)
        sent = [each for each in hits if each.to.host == VICTIM and each.payload[:1] == bytes((CONTROL,))]
        assert forged
        assert not [each for each in sent if each.to.port < 1024]
        assert len(sent) <= KNOCKS
        assert max((len(each.payload) for each in sent), default=0) <= SMALL


def test_a_member_beside_a_pair_vouches_for_nobody_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    village = Village()
    with village.world:
        village.join("vps")
        for name in ("ann", "mal", "eve"):
            village.behind(name, NatModel() if name == "ann" else UNIFORM, "vps")
        village.world.run_for(8.0)
        ann, mal = village.nodes["ann"].node, village.nodes["mal"].node.id
        vps, eve = village.nodes["vps"].node.id, village.nodes["eve"].node.id
        _silence(village, "mal", monkeypatch)
        hits = village.recorded()
        ann._inbound._vouched(eve, vps, 50, HeardMessage(mal, VICTIM), now=village.world.now)
        offered = NatProfile(mapping="apdm", filtering="apdf", allocation="uniform", hosts=(VICTIM,))
        for number in range(3):
            offer = Offer(9000 + number, False, 77, offered, (), True)
            ann._rooms.paths.tell(SignalHeard(mal, offer), now=village.world.now)
            ann._settle(now=village.world.now)
            village.world.run_for(15.0)
        ports = {each.to.port for each in hits if each.to.host == VICTIM}
        assert len(ports) <= 8


def test_a_relay_repeats_its_word_as_long_as_the_circuit_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = _told(monkeypatch, tell.Heard)
    village = Village()
    with village.world:
        village.join("vps")
        for name in ("ann", "bob"):
            village.behind(name, NatModel(), "vps", punch=PunchConfig(enabled=False))
        village.world.run_for(6.0)
        source, target = village.look("ann").self.ipv4, village.look("bob").self.ipv4
        assert source is not None
        assert target is not None
        bob = village.nodes["bob"].node.id
        start = village.world.now
        for _ in range(240):
            village.nodes["ann"].send(packet(source, target), now=village.world.now)
            village.world.run_for(0.5)
        assert village.path("ann", "bob") == "relay via vps"
        times = [at for fact, at in heard if fact.peer == bob]
        assert times[0] <= start
        gaps = [later - at for at, later in zip(times, [*times[1:], village.world.now], strict=True)]
        assert max(gaps) <= 32.0, "a word is good for 90 s"
        assert len(times) <= 3 + 120 / 30 + 1
