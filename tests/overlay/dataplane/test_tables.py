"""Commands of the hall: what holds, what goes out, what is forgotten."""

from __future__ import annotations

from overlay.dataplane import port
from overlay.dataplane.tables import DROPS, HELD_BYTES, HELD_TOTAL
from punch.values import SocketId
from tests.overlay.dataplane.packets import A4, B4, csum_vnet, packed, tcp, udp
from tests.overlay.dataplane.sides import FakeSocket, Side, endpoint, label, node, two


def put(side: Side, *packets: bytes) -> None:
    for packet in packets:
        side.tun.put(packet, csum_vnet(packet))
    side.pump()


def held(side: Side) -> int:
    return sum(len(peer.held) for peer in side.movers.tables.peers.values())


def test_packets_wait_for_keys_and_a_way_and_are_asked_for_once() -> None:
    one, other = Side(1), Side(2)
    other.meet(1)
    one.routes(2)
    for number in range(5):
        put(one, udp(A4, B4, b"x", port=number))
    assert one.facts == [port.TrafficWaiting(node(2))]
    one.keys(2)
    assert one.socket.sent == []
    one.apply(port.PutWay(node(2), (one.way(2),)))
    assert len(one.socket.sent) == 1
    other.hear_all(one)
    assert len(other.taken()) == 5
    assert held(one) == 0


def test_a_way_without_keys_asks_again() -> None:
    one = Side(1)
    one.routes(2)
    put(one, udp(A4, B4, b"x"))
    one.apply(port.PutWay(node(2), (one.way(2),)))
    put(one, udp(A4, B4, b"x"))
    put(one, udp(A4, B4, b"x"))
    assert one.facts == [port.TrafficWaiting(node(2))] * 2
    one.keys(2)
    assert len(one.socket.sent) == 1


def test_no_way_now_holds_as_if_unasked() -> None:
    one, _ = two()
    one.apply(port.PutWay(node(2), ()))
    put(one, udp(A4, B4, b"x"))
    one.apply(port.PutWay(node(2), ()))
    put(one, udp(A4, B4, b"x"))
    assert one.facts == [port.TrafficWaiting(node(2))] * 2
    one.apply(port.PutWay(node(2), (one.way(2),)))
    assert len(one.socket.sent) == 1
    one.apply(port.DropKeys(node(2), 0, seal=True))
    put(one, udp(A4, B4, b"x"))
    assert len(one.facts) == 3


def test_given_up_is_counted_and_told_again() -> None:
    one = Side(1)
    one.routes(2)
    put(one, udp(A4, B4, b"x"), udp(A4, B4, b"y"))
    one.apply(port.DropWaiting(node(2)), port.DropWaiting(node(9)))
    assert one.drops == {"held_given_up": 2}
    put(one, udp(A4, B4, b"x"))
    assert one.facts == [port.TrafficWaiting(node(2))] * 2


def test_held_is_bounded_by_packets_by_bytes_and_by_all() -> None:
    one = Side(1)
    one.routes(2)
    put(one, *(udp(A4, B4, b"x") for _ in range(70)))
    assert (held(one), one.drops) == (64, {"held_full": 6})
    one.apply(port.DropWaiting(node(2)))
    big = tcp(A4, B4, bytes(60_000))
    for _ in range(6):
        one.tun.put(big, csum_vnet(big, kind=1, gso=1300))
    one.pump()
    assert held(one) == 4
    tables = one.movers.tables
    assert tables.held_bytes <= HELD_BYTES
    for number in range(100, 140):
        address = f"10.9.0.{number}"
        one.apply(port.PutRoute(packed(address), node(number)))
        for _ in range(4):
            packet = tcp(A4, address, bytes(60_000))
            one.tun.put(packet, csum_vnet(packet, kind=1, gso=1300))
        one.pump()
    assert HELD_TOTAL - 61_000 < tables.held_bytes <= HELD_TOTAL
    for number in [2, *range(100, 140)]:
        one.apply(port.DropWaiting(node(number)))
    assert tables.held_bytes == 0


def test_super_packets_held_are_cut_when_the_peer_turns_out_to_want_that() -> None:
    one, other = Side(1), Side(2)
    other.meet(1)
    one.routes(2)
    big = tcp(A4, B4, bytes(9_000))
    one.tun.put(big, csum_vnet(big, kind=1, gso=1000))
    one.pump()
    one.apply(port.PutOffloads(node(2), 4))
    one.keys(2)
    one.apply(port.PutWay(node(2), (one.way(2),)))
    other.hear_all(one)
    assert [record[1] for record in other.taken()] == [0] * 9


def test_a_peer_that_is_dropped_leaves_its_route_and_nothing_else() -> None:
    one, other = two()
    put(one, udp(A4, B4, b"x"))
    one.apply(port.DropPeer(node(2)), port.DropPeer(node(9)))
    assert one.movers.counters(now=0.0).peers == {}
    other.tun.put(udp(B4, A4, b"x"), csum_vnet(udp(B4, A4, b"x")))
    other.pump()
    one.hear(other.socket.datagrams()[0])
    assert one.drops == {"label_unknown": 1}
    put(one, udp(A4, B4, b"x"))
    assert one.facts == [port.TrafficWaiting(node(2))]
    for address in (packed(B4), packed("fd09::2")):
        one.apply(port.DropRoute(address), port.DropRoute(address))
    put(one, udp(A4, B4, b"x"))
    assert one.drops["no_route"] == 1
    one.apply(port.DropPeer(node(2)))
    assert node(2) not in one.movers.tables.peers


def test_an_address_that_moves_to_another_member() -> None:
    one = Side(1)
    for number in (2, 3):
        one.meet(number)
    one.apply(port.PutRoute(packed(B4), node(3)))
    put(one, udp(A4, B4, b"x"))
    assert one.socket.to == [endpoint(3)]


def test_counters_are_a_snapshot_of_peers_that_had_a_key() -> None:
    one, other = two()
    one.routes(7)
    put(one, udp(A4, B4, b"x"))
    before = one.counters(2)
    put(one, udp(A4, B4, b"x"))
    assert (before.tx_bytes, one.counters(2).tx_bytes) == (29, 58)
    assert before.last_tx == one.now
    assert list(one.movers.counters(now=0.0).peers) == [node(2)]
    other.hear_all(one)
    assert (other.counters(1).highest, other.counters(1).complete) == (1, 2)


def test_sockets_come_and_go_under_the_ways() -> None:
    one, _ = two()
    late = FakeSocket(5)
    one.apply(port.PutWay(node(2), (one.way(2, via=5),)))
    put(one, udp(A4, B4, b"x"))
    assert held(one) == 1
    one.movers.add_outlet(late.outlet)
    put(one, udp(A4, B4, b"y"))
    one.apply(port.PutWay(node(2), (one.way(2, via=5),)))
    assert len(late.datagrams()) == 2
    one.movers.remove_outlet(SocketId(5))
    put(one, udp(A4, B4, b"z"))
    assert held(one) == 1


def test_labels_of_circuits_and_of_links_are_not_mixed_up() -> None:
    one, _ = two()
    one.apply(port.DropCircuit(label(1, 2)))
    assert label(1, 2) in one.movers.tables.labels
    one.apply(port.PutCircuit(label(1, 9), endpoint(2), label(3, 9), SocketId(1), endpoint(3)))
    one.apply(port.DropLabel(label(1, 9)))
    assert label(1, 9) in one.movers.tables.labels
    one.apply(port.DropCircuit(label(1, 9)), port.DropCircuit(label(1, 9)), port.DropLabel(label(1, 2)))
    assert one.movers.tables.labels == {}


def test_every_reason_says_what_was_dropped() -> None:
    assert all(reason.isidentifier() and text for reason, text in DROPS.items())
