"""Whole nodes behind NATs go direct when somebody uses the path, and lose nothing on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from overlay.node.facts import AddressesChanged, DirectAsked, PeerPunchAsked, PolicyChanged, PunchAsked
from overlay.shell.virtual import FILES
from overlay.wire.frame import PROBE, PROBE_ANSWER
from punch.config import PunchConfig, StunConfig
from punch.sim import TooLate
from punch.sim.host import Datagram
from punch.sim.model import NatModel
from punch.sim.nat import Nat
from punch.values import udp
from tests.kit.village import Village, packet

NAT1 = NatModel(filtering="eif")
NAT2 = NatModel(filtering="adf")
NAT3 = NatModel()
SEQUENTIAL = NatModel(mapping="apdm", allocator="sequential", step=2, foreign=5.0)
BLOCK = NatModel(mapping="apdm", allocator="block", size=1024)
UNIFORM = NatModel(mapping="apdm", allocator="uniform")
BOTH = PunchConfig(nat4_nat4="auto")
OFF = PunchConfig(enabled=False)


class Pair:
    """ann and bob behind NATs, met over vps."""

    def __init__(
        self, ann: NatModel, bob: NatModel, config: PunchConfig = BOTH, *, seed: int = 1, files: int = FILES
    ) -> None:
        self.village = Village(seed)
        self.world = self.village.world
        self.village.join("vps")
        self.nats: dict[str, Nat] = {}
        for name, model in (("ann", ann), ("bob", bob)):
            self.nats[name] = self.village.behind(name, model, "vps", punch=config, files=files)
        self.world.run_until(lambda: self.village.path("ann", "bob") != "unknown", within=5.0)
        self.world.run_until(lambda: self.connected("ann", "bob") and self.connected("bob", "ann"), within=5.0)
        self.sent = self.received = 0
        self.twice: list[bytes] = []
        self._seen: dict[bytes, None] = {}

    def connected(self, a: str, b: str) -> bool:
        peer = self.village.peer(a, b)
        return peer is not None and peer.state == "connected"

    def is_direct(self) -> bool:
        return self.village.path("ann", "bob") == "direct" == self.village.path("bob", "ann")

    def is_relayed(self) -> bool:
        return self.village.path("ann", "bob") == "relay via vps" == self.village.path("bob", "ann")

    def chat(self, until: Callable[[], bool], *, within: float, every: float = 0.05) -> float:
        """Packets both ways, as a running ping's, until something happened; how long it took.

        Raises:
            TooLate: it did not happen in time.
        """
        began = self.world.now
        while not until():
            if self.world.now - began >= within:
                raise TooLate(f"not within {within} s of traffic")
            self.say("ann", "bob")
            self.say("bob", "ann")
            self.world.run_for(every)
            self._count()
        return self.world.now - began

    def say(self, a: str, b: str) -> None:
        source, target = self.village.look(a).self.ipv4, self.village.look(b).self.ipv4
        assert source is not None
        assert target is not None
        self.sent += 1
        self.village.nodes[a].send(packet(source, target, str(self.sent).encode()), now=self.world.now)

    def _count(self) -> None:
        for name in ("ann", "bob"):
            for got in self.village.nodes[name].received():
                self.received += 1
                if got in self._seen:
                    self.twice.append(got)
                self._seen[got] = None

    def lost(self) -> int:
        """Packets that never came, once all had the time to."""
        self.world.run_for(1.0)
        self._count()
        assert self.twice == []
        return self.sent - self.received

    def punched(self, name: str = "ann") -> tuple[str, str | None, int]:
        """State, strategy and attempts, as `status` shows them."""
        peer = self.village.peer(name, "bob" if name == "ann" else "ann")
        assert peer is not None
        return peer.punch.state, peer.punch.strategy, peer.punch.attempts

    def probes(self) -> list[Datagram]:
        """Probes sent from now on."""
        seen: list[Datagram] = []

        def tap(datagram: Datagram) -> Datagram:
            if datagram.payload[:1] in (bytes((PROBE,)), bytes((PROBE_ANSWER,))):
                seen.append(datagram)
            return datagram

        self.world.tap(tap)
        return seen


@pytest.mark.parametrize(
    ("ann", "bob", "within"),
    [
        (NAT3, NAT3, 1.5),
        (NAT2, NAT3, 1.5),
        (NAT1, UNIFORM, 1.5),
        (UNIFORM, NAT2, 1.5),
        (NAT3, SEQUENTIAL, 3.0),
        (SEQUENTIAL, NAT3, 3.0),
        (NAT3, BLOCK, 6.0),
        (UNIFORM, NAT3, 20.0),
        (SEQUENTIAL, SEQUENTIAL, 8.0),
    ],
)
def test_a_pair_goes_direct_and_loses_nothing(ann: NatModel, bob: NatModel, within: float) -> None:
    pair = Pair(ann, bob)
    with pair.world:
        pair.world.run_for(3.0)
        pair.chat(pair.is_direct, within=within)
        pair.chat(lambda: pair.sent >= 100, within=10.0)
        assert pair.is_direct()
        assert pair.lost() == 0
        assert pair.punched()[0] == pair.punched("bob")[0] == "succeeded"
        fresh = [len(pair.village.nodes[name].fresh) for name in ("ann", "bob")]
        assert max(fresh) <= 8, "the rest of the sockets is closed"


def test_an_easy_pair_waits_until_it_is_used_and_goes_direct_then() -> None:
    pair = Pair(NAT3, NAT3)
    with pair.world:
        probes = pair.probes()
        pair.world.run_for(20.0)
        assert pair.is_relayed()
        assert probes == []
        pair.chat(pair.is_direct, within=1.5)
        assert pair.lost() == 0


def test_a_hard_pair_waits_until_it_is_used() -> None:
    pair = Pair(NAT3, SEQUENTIAL)
    with pair.world:
        probes = pair.probes()
        pair.world.run_for(20.0)
        assert pair.is_relayed()
        assert probes == []
        assert pair.punched()[0] == "idle"


def test_a_ping_wants_the_path_too() -> None:
    pair = Pair(NAT3, SEQUENTIAL)
    with pair.world:
        pair.world.run_for(3.0)
        pair.village.ping("ann", "bob")
        pair.world.run_until(pair.is_direct, within=3.0)


def test_two_random_nats_are_told_infeasible_and_not_probed() -> None:
    pair = Pair(UNIFORM, UNIFORM)
    with pair.world:
        pair.world.run_for(3.0)
        probes = pair.probes()
        pair.chat(lambda: pair.punched()[0] == "infeasible", within=1.0)
        pair.chat(lambda: pair.sent >= 300, within=20.0)
        assert pair.is_relayed()
        assert probes == []
        assert pair.lost() == 0
        peer = pair.village.peer("ann", "bob")
        assert peer is not None
        assert peer.punch.text
        assert peer.nat.type == "NAT4"


def test_switched_off_nothing_is_probed_and_detected() -> None:
    pair = Pair(NAT3, NAT3, OFF)
    with pair.world:
        probes = pair.probes()
        pair.chat(lambda: pair.sent >= 200, within=15.0)
        assert probes == []
        assert pair.village.look("ann").punch.probes_sent == 0
        assert pair.is_relayed()
        assert pair.lost() == 0
        assert pair.punched()[0] == "off"


def test_switched_off_on_one_side_the_other_sends_nothing() -> None:
    pair = Pair(NAT3, SEQUENTIAL)
    with pair.world:
        pair.world.run_for(3.0)
        pair.village.nodes["bob"].tell(PunchAsked(OFF), now=pair.world.now)
        probes = pair.probes()
        pair.chat(lambda: pair.sent >= 200, within=15.0)
        assert probes == []
        assert pair.lost() == 0


def test_switched_off_in_the_middle_of_a_search_not_one_probe_more() -> None:
    pair = Pair(NAT3, UNIFORM, seed=3)
    with pair.world:
        pair.world.run_for(3.0)
        probes = pair.probes()
        pair.chat(lambda: len(probes) > 60, within=8.0)
        assert pair.punched()[0] == "running"
        for name in ("ann", "bob"):
            pair.village.nodes[name].tell(PunchAsked(OFF), now=pair.world.now)
        probes.clear()
        pair.chat(lambda: pair.sent >= 400, within=20.0)
        assert probes == []
        assert pair.lost() == 0
        assert pair.village.nodes["bob"].fresh == []
        for name in ("ann", "bob"):
            pair.village.nodes[name].tell(PunchAsked(BOTH), now=pair.world.now)
        pair.chat(pair.is_direct, within=60.0)
        assert pair.lost() == 0


def test_one_peer_may_be_allowed_at_run_time() -> None:
    pair = Pair(SEQUENTIAL, SEQUENTIAL, PunchConfig())
    with pair.world:
        pair.world.run_for(3.0)
        pair.chat(lambda: pair.sent >= 60, within=5.0)
        assert pair.is_relayed()
        assert pair.punched()[0] == "off"
        for name, other in (("ann", "bob"), ("bob", "ann")):
            peer = pair.village.nodes[other].node.id
            pair.village.nodes[name].tell(PeerPunchAsked(peer, None, "auto"), now=pair.world.now)
            pair.village.nodes[name].tell(DirectAsked(peer), now=pair.world.now)
        pair.chat(pair.is_direct, within=8.0)
        assert pair.lost() == 0


def test_an_idle_hole_is_let_go_and_comes_back_in_one_attempt() -> None:
    pair = Pair(NAT3, SEQUENTIAL)
    with pair.world:
        pair.world.run_for(3.0)
        pair.chat(pair.is_direct, within=4.0)
        attempts = pair.punched()[2]
        pair.world.run_for(280.0)
        assert pair.is_direct(), "keepalives keep it until then"
        pair.world.run_for(60.0)
        assert pair.is_relayed()
        assert pair.connected("ann", "bob")
        probes = pair.probes()
        pair.world.run_for(120.0)
        assert pair.is_relayed(), "nobody uses it"
        assert probes == []
        assert pair.punched()[0] == "idle"
        pair.chat(pair.is_direct, within=2.0)
        assert pair.punched()[2] == attempts + 1
        assert pair.lost() == 0


def test_an_easy_hole_is_let_go_too() -> None:
    pair = Pair(NAT3, NAT3)
    with pair.world:
        pair.chat(pair.is_direct, within=3.0)
        pair.world.run_for(340.0)
        assert pair.is_relayed()
        pair.world.run_for(60.0)
        assert pair.is_relayed()
        pair.chat(pair.is_direct, within=2.0)
        assert pair.lost() == 0


@pytest.mark.parametrize("lifetime", [10.0, 20.0, 40.0])
def test_a_hole_is_kept_by_its_lifetime(lifetime: float) -> None:
    model = NatModel(
        mapping="apdm", allocator="sequential", unreplied=lifetime, replied=lifetime, inbound_refresh=False
    )
    pair = Pair(NAT3, model)
    with pair.world:
        pair.world.run_for(60.0)
        pair.chat(pair.is_direct, within=4.0)
        pair.world.run_for(200.0)
        assert pair.is_direct()
        pair.chat(lambda: pair.sent >= 200, within=15.0)
        assert pair.is_direct()
        assert pair.lost() == 0


def test_a_hole_that_dies_leaves_the_relay_at_once_and_comes_back() -> None:
    pair = Pair(NAT3, SEQUENTIAL)
    with pair.world:
        pair.world.run_for(3.0)
        pair.chat(pair.is_direct, within=4.0)
        pair.nats["bob"].become(SEQUENTIAL)
        pair.chat(lambda: not pair.is_direct(), within=12.0)
        before = pair.sent
        pair.chat(pair.is_direct, within=10.0)
        pair.chat(lambda: pair.sent >= before + 200, within=20.0)
        assert pair.is_direct()


def test_when_sockets_are_used_up_it_goes_on_with_fewer() -> None:
    pair = Pair(NAT3, SEQUENTIAL, files=12)
    with pair.world:
        pair.world.run_for(3.0)
        pair.chat(pair.is_direct, within=40.0)
        assert pair.lost() == 0


BINDING = bytes.fromhex("00010000 2112a442") + b"transaction!"
"""A STUN request without attributes (RFC 8489 section 5)."""


@pytest.mark.parametrize("config", [StunConfig(), StunConfig(serve="off")])
def test_stun_is_answered_on_both_ports_and_nothing_else_on_the_second(config: StunConfig) -> None:
    village = Village()
    with village.world:
        village.join("vps", stun=config)
        sent = village.recorded()
        asker = udp("203.0.113.200", 5000)
        for port in (27182, 27183):
            to = udp(village.addresses("vps"), port)
            for payload in (BINDING, bytes(160), b"\x04\x01\x01\x00" + bytes(172), b"\x06" + bytes(40)):
                village.world.inject(Datagram(asker, to, payload))
        village.world.run_for(0.5)
        answered = [(each.source.port, each.to, each.payload[:2]) for each in sent if each.payload[:1] == b"\x01"]
        serves = config.serve != "off"
        assert answered == ([(port, asker, b"\x01\x01") for port in (27182, 27183)] if serves else [])
        drops = village.look("vps").drops
        assert drops["frame_alternate"] == 2
        assert [each for each in sent if each.source.port == 27183 and each.payload[0] > 3] == []


def test_stun_service_follows_the_config_at_run_time() -> None:
    village = Village()
    with village.world:
        vps = village.join("vps")
        sent = village.recorded()
        off = PolicyChanged(True, (), (), PunchConfig(), StunConfig(serve="off"))
        vps.tell(off, now=village.world.now)
        village.world.inject(Datagram(udp("203.0.113.200", 5000), udp(village.addresses("vps"), 27182), BINDING))
        village.world.run_for(0.5)
        assert sent == []


def test_a_network_change_in_the_middle_of_a_search() -> None:
    pair = Pair(NAT3, UNIFORM, seed=4)
    with pair.world:
        pair.world.run_for(3.0)
        probes = pair.probes()
        pair.chat(lambda: len(probes) > 40, within=8.0)
        village, world = pair.village, pair.world
        nat = Nat(SEQUENTIAL, "198.51.100.99", entropy=world.dice("cafe"))
        world.lan("cafe", router=nat)
        world.detach("bob", village.addresses("bob"))
        world.attach("bob", "10.1.1.2", network="cafe")
        village.nodes["bob"].tell(AddressesChanged((("10.1.1.2", 24, "wlan0"),), "10.1.1.1"), now=world.now)
        world.run_until(pair.is_relayed, within=30.0)
        pair.chat(pair.is_direct, within=30.0)
        assert village.look("bob").self.nat.allocation == "sequential"
