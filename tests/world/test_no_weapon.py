"""A member that lies in its record aims nobody: what goes to one host is counted over all records."""

from overlay.node.facts import AddressesChanged
from overlay.paths.facts import CircuitLost, CircuitReady
from overlay.values import Label, NodeId
from punch.sim.host import Datagram
from tests.kit.village import Village

VICTIM = "198.51.100.77"


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
