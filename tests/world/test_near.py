"""Ways that need no punching: the same link, IPv6, addresses that were advertised."""

from overlay.node.facts import AddressesChanged, SocketClosed, SocketOpened
from punch.sim import OpenRouter
from punch.values import SocketId, udp
from tests.kit.village import Village


def test_members_on_one_lan_go_direct_by_their_private_addresses() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        village.world.lan("home", router=OpenRouter())
        for name, address in (("ann", "192.168.7.2"), ("bob", "192.168.7.3")):
            village.join(name, "vps", address=address, network="home", prefix=24)
        village.paths(within=5.0, ann_bob="direct")
        peer = village.peer("ann", "bob")
        assert peer is not None
        assert peer.path.endpoint == "192.168.7.3:27182"


def test_private_addresses_of_another_lan_are_never_dialled() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        for lan, name, address in (("here", "ann", "192.168.7.2"), ("there", "bob", "192.168.8.3")):
            village.world.lan(lan, router=OpenRouter())
            village.join(name, "vps", address=address, network=lan, prefix=24)
        seen = village.recorded()
        village.paths(within=5.0, ann_bob="relay via vps")
        village.world.run_for(60.0)
        assert not [each for each in seen if each.source.host == "192.168.7.2" and each.to.host == "192.168.8.3"]


def test_ipv6_carries_alone() -> None:
    village = Village()
    with village.world:
        village.join("vps", address="2001:db8::1")
        village.join("ann", "[2001:db8::1]", address="2001:db8::2")
        village.paths(within=2.0, ann_vps="direct")
        peer = village.peer("ann", "vps")
        assert peer is not None
        assert peer.path.endpoint == "[2001:db8::1]:27182"


def test_an_advertised_endpoint_is_listed_first() -> None:
    village = Village()
    with village.world:
        village.join("vps", advertise=("198.51.100.9:4000",))
        endpoints = village.look("vps").self.endpoints
        assert (endpoints[0].address, endpoints[0].kind) == ("198.51.100.9:4000", "given")


def test_a_new_address_of_this_host_is_told_to_the_others() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        ann = village.join("ann", "vps")
        village.paths(within=2.0, ann_vps="direct")
        ann.tell(AddressesChanged((("203.0.0.2", 32, "eth0"), ("203.0.113.200", 24, "wlan0"))), now=village.world.now)
        village.world.run_for(15.0)
        record = village.nodes["vps"].node.member(ann.node.id)
        assert record is not None
        assert "203.0.113.200:27182" in [each.address for each in record.endpoints]


def test_a_socket_that_went_takes_its_ways_along() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        ann = village.join("ann", "vps")
        village.paths(within=2.0, ann_vps="direct")
        ann.tell(SocketClosed(SocketId(1)), now=village.world.now)
        peer = village.peer("ann", "vps")
        assert peer is not None
        assert peer.path.kind == "none"
        assert "203.0.0.2:27182" not in [each.address for each in village.look("ann").self.endpoints]


def test_an_address_that_goes_leaves_its_ways_to_the_socket_that_stays() -> None:
    village = Village()
    with village.world:
        village.join("vps")
        ann = village.join("ann", "vps")
        village.paths(within=2.0, ann_vps="direct")
        ann.tell(SocketOpened(SocketId(3), udp("203.0.0.2", 27182)), now=village.world.now)
        ann.tell(SocketClosed(SocketId(1)), now=village.world.now)
        assert village.path("ann", "vps") == "direct"
        village.world.run_for(10.0)
        assert village.path("ann", "vps") == "direct"
