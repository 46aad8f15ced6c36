"""A device that crashes and comes back is met anew: ways known before are doubted, and punching begins again."""

from __future__ import annotations

from overlay.node.events import PongHeard
from overlay.node.facts import PingAsked
from punch.sim.model import NatModel
from tests.kit.village import Village

NAT3 = NatModel()
SEQUENTIAL = NatModel(mapping="apdm", allocator="sequential", step=1)


class Homes:
    """ann and bob behind NATs, met over vps, gone direct."""

    def __init__(self, ann: NatModel, bob: NatModel) -> None:
        self.village = Village(3)
        self.world = self.village.world
        self.village.join("vps")
        self.village.behind("ann", ann, "vps")
        self.village.behind("bob", bob, "vps")
        self.village.paths(within=8.0, ann_vps="direct", bob_vps="direct", ann_bob="relay via vps")
        self.world.run_for(2.0)
        self.go_direct(within=6.0)
        self.world.run_for(5.0)

    def is_direct(self) -> bool:
        return self.village.path("ann", "bob") == "direct" == self.village.path("bob", "ann")

    def go_direct(self, *, within: float) -> None:
        """Pings all the time, until both sides say direct."""
        until = self.world.now + within
        while not self.is_direct() and self.world.now < until:
            self.pongs(1, every=0.2)
        self.world.run_until(self.is_direct, within=0.0)

    def pongs(self, count: int, *, every: float = 0.2) -> int:
        """How many pings of ann's to bob come back."""
        before = len(self.village.events("ann", PongHeard))
        for number in range(count):
            token = 5_000_000 + before + number
            ask = PingAsked(self.village.nodes["bob"].node.id, token)
            self.village.nodes["ann"].tell(ask, now=self.world.now)
            self.world.run_for(every)
        return len(self.village.events("ann", PongHeard)) - before

    def restart(self, *, after: float = 1.0) -> None:
        """bob is killed, and comes back with what its disk remembered, at the same place."""
        gone = self.village.crash("bob")
        self.world.run_for(after)
        self.village.join(
            "bob",
            "vps",
            address="192.168.2.2",
            network="bob's home",
            prefix=24,
            sequence=gone.memory["sequence"],
            remembered_ipv4=gone.memory["ipv4"],
            records=gone.memory["records"],
            endpoints=gone.memory["endpoints"],
        )

    def meets(self) -> bool:
        """bob has a session with ann again."""
        peer = self.village.peer("bob", "ann")
        return peer is not None and peer.state == "connected"


def test_a_hole_of_a_peer_that_restarted_carries_nothing_until_it_is_proven_again() -> None:
    homes = Homes(NAT3, SEQUENTIAL)
    with homes.world:
        homes.restart()
        homes.world.run_until(homes.meets, within=3.0)
        homes.world.run_for(0.3)
        assert homes.pongs(5) == 5
        homes.go_direct(within=8.0)
        assert homes.pongs(10) == 10


def test_restarts_over_and_over_end_direct() -> None:
    homes = Homes(NAT3, SEQUENTIAL)
    with homes.world:
        for _ in range(4):
            homes.restart(after=0.5)
            homes.world.run_until(homes.meets, within=3.0)
            homes.world.run_for(0.3)
            assert homes.pongs(3) == 3
        homes.go_direct(within=8.0)


def test_the_side_that_restarted_is_the_easy_one() -> None:
    homes = Homes(SEQUENTIAL, NAT3)
    with homes.world:
        homes.restart()
        homes.world.run_until(homes.meets, within=3.0)
        homes.world.run_for(0.3)
        assert homes.pongs(5) == 5
        homes.go_direct(within=8.0)
