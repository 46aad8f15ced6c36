"""What each kind of fault does to a town, and what undoes it."""

from __future__ import annotations

from collections.abc import Callable

from overlay.node.facts import WallClockJumped
from overlay.shell.virtual import EMPTY
from punch.sim.zoo import FOUR
from tools.worlds.faults import Fault
from tools.worlds.town import Town

Undo = Callable[[], None] | None


def _cut(town: Town, fault: Fault) -> Undo:
    return town.block([(fault.who, fault.other), (fault.other, fault.who)])


def _deaf(town: Town, fault: Fault) -> Undo:
    return town.block([(fault.who, fault.other)])


def _part(town: Town, fault: Fault) -> Undo:
    half = fault.who.split()
    others = [place.name for place in town.plan.places if place.name not in half]
    return town.block([pair for a in half for b in others for pair in ((a, b), (b, a))])


def _unplug(town: Town, fault: Fault) -> Undo:
    name = fault.who
    return town.counted(
        "unplug",
        name,
        lambda: town.world.unplug(name) if name in town.nodes else None,
        lambda: town.world.replug(name) if name in town.nodes else None,
    )


def _rewire(town: Town, fault: Fault) -> Undo:
    return town.rewire(fault)


def _crash(town: Town, fault: Fault) -> Undo:
    return town.down(fault.who, lambda: town.back(fault.who))


def _spoil(town: Town, fault: Fault) -> Undo:
    return town.down(fault.who, lambda: town.back(fault.who, town.spoiled))


def _forget(town: Town, fault: Fault) -> Undo:
    return town.down(fault.who, lambda: town.back(fault.who, lambda disk: dict(EMPTY)))


def _wipe(town: Town, fault: Fault) -> Undo:
    def back() -> None:
        town.anew(fault.who)
        town.back(fault.who, lambda disk: dict(EMPTY))

    return town.down(fault.who, back)


def _leave(town: Town, fault: Fault) -> Undo:
    return town.down(fault.who, lambda: town.back(fault.who), politely=True)


def _late(town: Town, fault: Fault) -> Undo:
    return town.down(fault.who, lambda: town.back(fault.who, lambda disk: dict(EMPTY)))


def _stop(town: Town, fault: Fault) -> Undo:
    return town.sleep(fault.who)


def _clock(town: Town, fault: Fault) -> Undo:
    town.tell(fault.who, WallClockJumped())
    return None


def _roam(town: Town, fault: Fault) -> Undo:
    home = town.away(fault.who)
    if home is None:
        return None
    town.move(fault.who, home)
    return lambda: town.move(fault.who, town.first(fault.who))


def _flush(town: Town, fault: Fault) -> Undo:
    for nat in town.nats(fault.who):
        nat.become(nat.model)
    return None


def _renat(town: Town, fault: Fault) -> Undo:
    nats = town.nats(fault.who)
    models = [nat.model for nat in nats]
    for nat in nats:
        nat.become(FOUR)

    def undo() -> None:
        for nat, model in zip(nats, models, strict=True):
            nat.become(model)

    return undo


def _full(town: Town, fault: Fault) -> Undo:
    return town.full(fault.who)


_BEGIN: dict[str, Callable[[Town, Fault], Undo]] = {
    "cut": _cut,
    "deaf": _deaf,
    "unplug": _unplug,
    "part": _part,
    "loss": _rewire,
    "delay": _rewire,
    "jitter": _rewire,
    "reorder": _rewire,
    "double": _rewire,
    "mtu": _rewire,
    "crash": _crash,
    "wipe": _wipe,
    "spoil": _spoil,
    "forget": _forget,
    "leave": _leave,
    "late": _late,
    "stop": _stop,
    "clock": _clock,
    "roam": _roam,
    "flush": _flush,
    "renat": _renat,
    "full": _full,
}
"""Kind of a fault -> what it does; returns what undoes it."""


def begin(town: Town, fault: Fault) -> Undo:
    """Do what the fault says; what undoes it, None: nothing is to be undone."""
    town.world.journal.remark(town.world.now, fault.who.partition(" ")[0], f"{fault.kind} begins: {fault}")
    return _BEGIN[fault.kind](town, fault)
