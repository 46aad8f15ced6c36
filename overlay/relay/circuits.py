"""What a circuit is to one node, whatever its place in it, and the book of all of them.

    source  <--back--  this node  --ahead-->  target

An end has one leg, a carrier two; a chain of carriers is the same picture at each of them.
"""

from __future__ import annotations

from msgspec import Struct

from overlay.relay.limits import CROSSING
from overlay.values import Label, NodeId


class Leg(Struct, eq=False):
    """One link of a circuit: each side names the label it takes frames at."""

    neighbour: NodeId
    request: int
    """Names the request that made this leg: theirs behind us, ours ahead."""
    label: Label
    """Ours: `neighbour` writes it on frames that come to us."""
    out_label: Label | None
    """Theirs: we write it on frames that go; None until they answered."""


class Circuit(Struct, eq=False):
    """A circuit as this node sees it."""

    source: NodeId
    target: NodeId
    back: Leg | None
    """Towards the source; None: we are it."""
    ahead: Leg | None
    """Towards the target; None: we are it."""
    hops: int
    """Links still allowed after the one ahead."""
    used: float
    """When it last carried or was made, seconds."""
    crossed: tuple[NodeId, ...] = ()
    """The relays behind us as they signed on, the source's neighbour first; none of them takes it again."""
    through: tuple[NodeId, ...] = ()
    """The relays ahead of us as they answered, the nearest first."""
    others: tuple[NodeId, ...] = ()
    """Whom to ask next, should the neighbour ahead refuse or say nothing."""
    tries: int = 0
    """How often the leg ahead was asked for."""
    since: float = 0.0
    """When it came to stand, seconds."""

    @property
    def stands(self) -> bool:
        """Both directions have their labels."""
        return self.ahead is None or self.ahead.out_label is not None

    @property
    def carried(self) -> bool:
        """Neither end is ours."""
        return self.back is not None and self.ahead is not None

    @property
    def legs(self) -> tuple[Leg, ...]:
        """One at an end, two at a carrier; the one towards the source first."""
        return tuple(leg for leg in (self.back, self.ahead) if leg is not None)

    @property
    def key(self) -> Label:
        """Names the circuit on this node: its first leg's own label."""
        return self.legs[0].label

    @property
    def relays(self) -> tuple[NodeId, ...]:
        """Of an end: every relay from us on to the far node, as they said; our own neighbour's word is for the rest."""
        return self.through if self.back is None else tuple(reversed(self.crossed))

    @property
    def pair(self) -> tuple[NodeId, NodeId]:
        """(peer, relay) of an end: the far node, and the neighbour it is reached over."""
        return (self.target if self.back is None else self.source, self.legs[0].neighbour)


class Book:
    """Every circuit by own label, by request, by their label, by neighbour and by (peer, relay)."""

    def __init__(self) -> None:
        self._by_label: dict[Label, Circuit] = {}
        self._by_out: dict[tuple[NodeId, int], Circuit] = {}
        self._behind: dict[NodeId, dict[int, Circuit]] = {}
        self._asked: dict[int, Circuit] = {}
        self._touching: dict[NodeId, dict[Label, Circuit]] = {}
        self._ends: dict[tuple[NodeId, NodeId], list[Circuit]] = {}
        self.carrying = 0
        """Circuits of others that stand."""

    def __len__(self) -> int:
        return len({circuit.key for circuit in self._by_label.values()})

    def add(self, circuit: Circuit) -> None:
        """Enter a circuit whose leg behind, if any, is complete and whose leg ahead is not."""
        if (back := circuit.back) is not None:
            assert back.out_label is not None
            self._behind.setdefault(back.neighbour, {})[back.request] = circuit
            self._by_out[back.neighbour, back.out_label] = circuit
        if circuit.ahead is not None:
            self._asked[circuit.ahead.request] = circuit
        if not circuit.carried:
            self._ends.setdefault(circuit.pair, []).append(circuit)
        for leg in circuit.legs:
            self._by_label[leg.label] = circuit
            self._touching.setdefault(leg.neighbour, {})[leg.label] = circuit

    def complete(self, circuit: Circuit, out_label: Label) -> None:
        """The neighbour ahead named its label: the circuit stands."""
        assert circuit.ahead is not None
        circuit.ahead.out_label = out_label
        self._by_out[circuit.ahead.neighbour, out_label] = circuit
        self.carrying += circuit.carried
        if not circuit.carried:
            order = self._ends[circuit.pair]
            order.remove(circuit)
            order.append(circuit)

    def prefer(self, circuit: Circuit) -> None:
        """Send on this one from now on."""
        order = self._ends[circuit.pair]
        order.remove(circuit)
        order.insert(0, circuit)

    def replaced(self, circuit: Circuit) -> list[Circuit]:
        """The circuits between the same ends over the same neighbour whose place this one takes: the same side opened
        them, or they stand too long to have crossed with it."""
        return [
            each
            for each in self._ends.get(circuit.pair, ())
            if each is not circuit
            and each.stands
            and ((each.back is None) == (circuit.back is None) or circuit.since - each.since >= CROSSING)
        ]

    def turn(self, circuit: Circuit, ahead: Leg) -> None:
        """Ask another neighbour: a circuit that we carry and that does not stand gets a new leg ahead."""
        old = circuit.ahead
        assert old is not None
        assert circuit.carried
        assert not circuit.stands
        del self._asked[old.request]
        del self._by_label[old.label]
        _drop(self._touching, old.neighbour, old.label)
        circuit.ahead = ahead
        self._asked[ahead.request] = circuit
        self._by_label[ahead.label] = circuit
        self._touching.setdefault(ahead.neighbour, {})[ahead.label] = circuit

    def remove(self, circuit: Circuit) -> None:
        """Forget a circuit wholly."""
        self.carrying -= circuit.carried and circuit.stands
        if (back := circuit.back) is not None:
            _drop(self._behind, back.neighbour, back.request)
        if circuit.ahead is not None:
            del self._asked[circuit.ahead.request]
        for leg in circuit.legs:
            del self._by_label[leg.label]
            _drop(self._touching, leg.neighbour, leg.label)
            if leg.out_label is not None:
                del self._by_out[leg.neighbour, leg.out_label]
        if not circuit.carried:
            rest = self._ends[circuit.pair]
            rest.remove(circuit)
            if not rest:
                del self._ends[circuit.pair]

    def with_label(self, label: Label) -> Circuit | None:
        """The circuit that takes frames at our `label`."""
        return self._by_label.get(label)

    def writing(self, neighbour: NodeId, out_label: int) -> Circuit | None:
        """The circuit on which we write `neighbour`'s `out_label`."""
        return self._by_out.get((neighbour, out_label))

    def opened_by(self, neighbour: NodeId, request: int) -> Circuit | None:
        """The circuit that `neighbour` asked us for with `request`."""
        return self._behind.get(neighbour, {}).get(request)

    def count_by(self, neighbour: NodeId) -> int:
        """Circuits that `neighbour` asked us for."""
        return len(self._behind.get(neighbour, ()))

    def given_by(self, neighbour: NodeId) -> list[Circuit]:
        """Circuits that `neighbour` asked us for, oldest first."""
        return list(self._behind.get(neighbour, {}).values())

    def asked(self, neighbour: NodeId, request: int) -> Circuit | None:
        """The circuit that we asked `neighbour` for with `request`."""
        circuit = self._asked.get(request)
        if circuit is None or circuit.ahead is None or circuit.ahead.neighbour != neighbour:
            return None
        return circuit

    def touching(self, neighbour: NodeId) -> list[Circuit]:
        """Circuits with a leg to `neighbour`, oldest first."""
        return list(self._touching.get(neighbour, {}).values())

    def ends(self, peer: NodeId, relay: NodeId) -> list[Circuit]:
        """Circuits between us and `peer` over `relay`, asked for or standing."""
        return list(self._ends.get((peer, relay), ()))

    def standing(self, peer: NodeId, relay: NodeId) -> Circuit | None:
        """Of these, the one that has stood longest: the one to send on."""
        return next((circuit for circuit in self._ends.get((peer, relay), ()) if circuit.stands), None)

    def carried(self) -> list[Circuit]:
        """Circuits of others, asked for or standing."""
        return [c for label, c in self._by_label.items() if c.carried and c.key == label]

    def has_request(self, request: int) -> bool:
        """Whether a request of ours has this number."""
        return request in self._asked


def _drop(
    shelves: dict[NodeId, dict[int, Circuit]] | dict[NodeId, dict[Label, Circuit]], key: NodeId, item: int
) -> None:
    """Take one circuit off a neighbour's shelf, and the shelf with its last."""
    shelf = shelves[key]
    del shelf[Label(item)]
    if not shelf:
        del shelves[key]
