"""Addresses and names between rooms: claims, races, rivals, conflicts."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

from overlay.errors import UsageError
from overlay.gossip.addresses import Bindings, choose_ipv4, must_move
from overlay.gossip.events import (
    AddressBound,
    AddressClaimed,
    AddressUnbound,
    Conflict,
    ConflictOver,
    MemberChanged,
    OwnRecordIssued,
    RootChanged,
)
from overlay.gossip.facts import FirstDial, Heard, MemberLeft, NoPeers, Remembered, SessionUp
from overlay.gossip.gossip import Gossip
from overlay.identity import Identity, ipv4_candidate
from tests.overlay.gossip.mesh import Mesh, gossip, identity

SHARED = ipv4_candidate("home", identity(1).id, 0)
"""An address that several will hold."""


def by_clash() -> tuple[Identity, Identity]:
    """Two identities; of the two, the first keeps SHARED and the second moves."""
    one, two = identity(1), identity(2)
    return (two, one) if must_move((one.id, False), (two.id, False), SHARED) else (one, two)


# -- choosing -----------------------------------------------------------------------------------------------------


def test_the_first_free_candidate_is_chosen() -> None:
    row = [ipv4_candidate("home", identity(1).id, k) for k in range(256)]
    assert choose_ipv4("home", identity(1).id, lambda address: False) == row[0]
    assert choose_ipv4("home", identity(1).id, lambda address: address in row[:3]) == row[3]
    behind = choose_ipv4("home", identity(1).id, lambda address: address in row)
    assert int(ipaddress.IPv4Address(behind)) == int(ipaddress.IPv4Address(row[0])) + 1


def test_without_peers_an_address_is_claimed_at_once() -> None:
    room = gossip(identity(1))
    assert room.own.ipv4 == ""
    room.tell(NoPeers(), now=0.0)
    claimed = AddressClaimed(SHARED, room.own.ipv6)
    assert [event for event in room.events() if isinstance(event, AddressClaimed)] == [claimed]
    assert room.own.ipv4 == SHARED
    assert room.bound(SHARED) == room.own.id
    room.tell(NoPeers(), now=1.0)
    assert list(room.events()) == []


def test_a_remembered_address_is_claimed_at_once() -> None:
    room = gossip(identity(1), remembered=SHARED)
    assert room.own.ipv4 == SHARED
    assert [type(event) for event in room.events()] == [AddressClaimed, OwnRecordIssued, RootChanged]


def test_a_remembered_address_of_another_network_is_not() -> None:
    assert gossip(identity(1), remembered="10.1.2.3").own.ipv4 == ""
    assert gossip(identity(1), remembered="torn").own.ipv4 == ""


def test_a_second_after_the_first_dial_an_address_is_claimed_anyway() -> None:
    room = gossip(identity(1))
    room.tell(FirstDial(), now=5.0)
    room.tell(FirstDial(), now=5.5)
    assert room.next_timeout() == 6.0
    room.handle_timeout(now=6.0)
    assert room.own.ipv4 == SHARED


def test_after_the_first_sync_a_free_address_is_claimed() -> None:
    mesh = Mesh(delay=0.01)
    holder = mesh.add(gossip(identity(2), "holder", fixed=SHARED))
    relay = mesh.alone(gossip(identity(3), "relay"))
    mesh.connect(holder, relay)
    mesh.run(1.0)
    late = mesh.add(gossip(identity(1), "late"))
    mesh.connect(late, relay)
    mesh.run(0.2)
    assert late.own.ipv4 == ipv4_candidate("home", identity(1).id, 1)
    assert mesh.events(late, Conflict) == []


def test_an_address_or_name_that_cannot_be_is_told() -> None:
    with pytest.raises(UsageError, match="network home"):
        gossip(identity(1), fixed="10.1.2.3")
    with pytest.raises(UsageError, match="name"):
        gossip(identity(1), "no label")


# -- races and rivals -----------------------------------------------------------------------------------------------


def test_two_that_raced_for_one_address_settle() -> None:
    mesh = Mesh(delay=0.05)
    stays, moves = by_clash()
    one = mesh.add(gossip(stays, "stays", remembered=SHARED))
    two = mesh.add(gossip(moves, "moves", remembered=SHARED))
    witness = mesh.alone(gossip(identity(3), "witness"))
    mesh.connect(two, witness)
    mesh.connect(one, witness)
    mesh.run(2.0)
    assert one.own.ipv4 == SHARED
    assert two.own.ipv4 not in ("", SHARED)
    for room in (one, two, witness):
        assert room.bound(SHARED) == one.own.id
        assert room.bound(two.own.ipv4) == two.own.id
    assert witness.member(two.own.id) == two.own
    for room in (witness, one):
        assert mesh.events(room, ConflictOver) == [ConflictOver("address_conflict")]
    bound = [e for e in mesh.log[witness.own.id] if isinstance(e, AddressBound | AddressUnbound)]
    assert [e for e in bound if e.address == SHARED] == [
        AddressBound(two.own.id, SHARED),
        AddressUnbound(SHARED),
        AddressBound(one.own.id, SHARED),
    ]


def reasons(mesh: Mesh, room: Gossip) -> list[str]:
    """Why it gave up the address it had, for each address it took."""
    return [event.why for event in mesh.events(room, AddressClaimed) if isinstance(event, AddressClaimed)]


def test_a_derived_address_gives_way_to_a_given_one() -> None:
    for given, derived in ((1, 2), (2, 1)):
        mesh = Mesh()
        one = mesh.add(gossip(identity(given), "given", fixed=SHARED))
        two = mesh.add(gossip(identity(derived), "derived", remembered=SHARED))
        mesh.connect(one, two)
        mesh.run(1.0)
        assert one.own.ipv4 == SHARED
        assert two.own.ipv4 not in ("", SHARED)
        moved = f"given has it by --ip: {SHARED} is no longer this device's"
        assert reasons(mesh, two) == ["", moved]
        assert reasons(mesh, one) == [""]


def test_two_given_ones_are_for_their_people() -> None:
    mesh = Mesh()
    one = mesh.add(gossip(identity(1), "one", fixed=SHARED))
    two = mesh.add(gossip(identity(2), "two", fixed=SHARED))
    mesh.connect(one, two)
    mesh.run(30.0)
    assert one.own.ipv4 == two.own.ipv4 == SHARED
    assert mesh.events(one, Conflict) == [
        Conflict("address_conflict", f"{SHARED} is claimed by this device, two; it is this device's")
    ]
    assert one.bound(SHARED) == one.own.id


def witness_of_rivals() -> tuple[Gossip, Gossip, Gossip]:
    """A room that knows two which both hold SHARED; the first is its holder."""
    room = gossip(identity(9), "witness")
    room.tell(NoPeers(), now=0.0)
    first = gossip(identity(2), "first", fixed=SHARED)
    rival = gossip(identity(3), "rival", fixed=SHARED)
    for other in (first, rival):
        room.tell(SessionUp(other.own.id, other.own_signed), now=1.0)
    return room, first, rival


def test_a_rival_claim_is_ignored_and_shown() -> None:
    room, first, rival = witness_of_rivals()
    events = list(room.events())
    assert Conflict("address_conflict", f"{SHARED} is claimed by first, rival; it is first's") in events
    assert AddressBound(first.own.id, SHARED) in events
    assert AddressBound(rival.own.id, rival.own.ipv6) in events
    assert room.bound(SHARED) == first.own.id


def test_the_rival_gets_it_when_the_holder_leaves() -> None:
    room, first, rival = witness_of_rivals()
    list(room.events())
    room.tell(MemberLeft(first.own.id), now=2.0)
    assert room.bound(SHARED) == rival.own.id
    events = list(room.events())
    assert AddressBound(rival.own.id, SHARED) in events
    assert AddressUnbound(first.own.ipv6) in events
    assert ConflictOver("address_conflict") in events


def test_the_rival_gets_it_when_the_holder_is_silent_for_ten_minutes() -> None:
    room, first, rival = witness_of_rivals()

    def minutes(start: int, end: int, *speaking: Gossip) -> None:
        for at in range(start, end, 30):
            for other in speaking:
                room.tell(Heard(other.own.id), now=float(at))
            while (due := room.next_timeout()) is not None and due <= at:
                room.handle_timeout(now=float(at))

    minutes(30, 1200, first, rival)
    assert room.bound(SHARED) == first.own.id
    minutes(1200, 1740, rival)
    assert room.bound(SHARED) == first.own.id
    minutes(1740, 1860, rival)
    assert room.bound(SHARED) == rival.own.id
    minutes(1860, 3000, first, rival)
    assert room.bound(SHARED) == rival.own.id


def test_without_a_rival_silence_changes_nothing() -> None:
    room, other = gossip(identity(9), "witness"), gossip(identity(2), "silent", fixed=SHARED)
    room.tell(Remembered([other.own_signed]), now=0.0)
    while (due := room.next_timeout()) is not None and due < 3600.0:
        room.handle_timeout(now=due)
    assert room.bound(SHARED) == other.own.id


def test_no_two_hold_what_three_claim() -> None:
    bindings = Bindings()
    for k in (1, 2, 3):
        bindings.claim(identity(k).id, ("10.0.0.1", f"fd00::{k}"))
    assert bindings.rivals() == [("10.0.0.1", [identity(k).id for k in (1, 2, 3)])]
    bindings.release(identity(1).id)
    bindings.claim(identity(2).id, ("10.0.0.2", "fd00::2"))
    assert bindings.rivals() == []
    assert bindings.holder("10.0.0.1") == identity(3).id
    assert list(bindings.changes()) == [
        ("10.0.0.1", None, identity(3).id),
        ("fd00::2", None, identity(2).id),
        ("fd00::3", None, identity(3).id),
        ("10.0.0.2", None, identity(2).id),
    ]


# -- names ----------------------------------------------------------------------------------------------------------


def test_equal_names_are_numbered_alike_everywhere() -> None:
    mesh = Mesh()
    rooms = [mesh.add(gossip(identity(k), "home")) for k in (1, 2, 3)]
    for one, two in itertools.pairwise(rooms):
        mesh.connect(one, two)
    mesh.run(3.0)
    in_order = sorted(room.own.id for room in rooms)
    for room in rooms:
        assert [room.name_of(node) for node in in_order] == ["home", "home-2", "home-3"]
        told = {e.record.id: e.name for e in mesh.events(room, MemberChanged) if isinstance(e, MemberChanged)}
        assert told == {node: room.name_of(node) for node in in_order if node != room.own.id}
        conflicts = [e for e in mesh.events(room, Conflict) if isinstance(e, Conflict) and e.code == "name_conflict"]
        assert bool(conflicts) == (room.own.id != in_order[0])


def test_a_name_is_free_again_when_its_holder_left() -> None:
    mesh = Mesh()
    small, large = sorted((identity(1), identity(2)), key=lambda who: who.id)
    one, two = mesh.alone(gossip(small, "home")), mesh.alone(gossip(large, "home"))
    mesh.connect(one, two)
    mesh.run(1.0)
    assert two.name_of(two.own.id) == "home-2"
    mesh.tell(two, MemberLeft(one.own.id))
    assert two.name_of(two.own.id) == "home"
    assert mesh.events(two, ConflictOver) == [ConflictOver("name_conflict")]
    assert two.name_of(one.own.id) == one.own.id.hex()[:10]
