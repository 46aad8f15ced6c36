"""Hundreds and a thousand members in virtual time: what each sends, how soon all know all, what knowing costs.

join, so many a second | settle | a minute that is measured | one more joins: until all know it
"""

from __future__ import annotations

import statistics
import time
import tracemalloc

from overlay.errors import OverlayError
from overlay.gossip.record import Record, RecordEndpoint, RecordLink
from overlay.gossip.records import sign
from overlay.identity import Identity, ipv4_prefix, ipv6_address
from tools.bench.mesh.row import Figures, Row, Settings
from tools.bench.mesh.table import Goal, median
from tools.worlds.crowd import KEYS, Crowd, lone, records_shared

FOUNDING = 50.0
"""Virtual seconds over which the members of a crowd come."""
SETTLING = 60.0
"""And after which what they send counts as steady."""
MINUTE = 60.0
PATIENCE = 60.0
"""Virtual seconds a new member has to be known to all."""
STEP = 0.05
"""Virtual seconds between two looks at who knows it."""
MIB = 1 << 20


def steady(members: int, *, seed: int = 1) -> Figures:
    """A crowd of so many: bytes a second a node sends (headers included), seconds until a new one is known to all,
    wall seconds of a virtual minute.

    Raises:
        OverlayError: the new one is not known to all in time, or the crowd does not know itself.
    """
    name = f"virtual_{members}"
    with records_shared():
        crowd = Crowd(seed)
        for _ in range(members):
            crowd.join()
            crowd.run_for(FOUNDING / members)
        crowd.run_for(SETTLING)
        ignorant = [each for each in crowd.meters if crowd.known(each) < members - 1]
        if ignorant:
            raise OverlayError(f"{len(ignorant)} of {members} do not know all others.", "Look into its gossip.")
        before, began = crowd.sent(), time.perf_counter()
        crowd.run_for(MINUTE)
        wall = time.perf_counter() - began
        rates = [(sent - before[each]) / MINUTE for each, sent in crowd.sent().items()]
        return {
            f"{name}_median": statistics.median(rates),
            f"{name}_max": max(rates),
            f"{name}_wall": wall,
            f"{name}_known": _known(crowd),
        }


def _known(crowd: Crowd) -> float:
    """Virtual seconds until a new member is known to all others."""
    began = crowd.world.now
    name = crowd.join()
    while crowd.knowing(name) < len(crowd.meters):
        if crowd.world.now - began > PATIENCE:
            raise OverlayError(f"{name} is known to {crowd.knowing(name)} of {len(crowd.meters)}.", "See its gossip.")
        crowd.run_for(STEP)
    return crowd.world.now - began


def knowing(members: int) -> Figures:
    """MiB that a node needs which knows so many members, above one that knows a single one; its sessions apart."""
    few, many = _weight(1), _weight(members)
    return {f"knows_{members}": (many - few) / MIB}


def _weight(members: int) -> int:
    """Bytes of a node with so many records, some seconds after its start."""
    records = tuple(_record(number) for number in range(members))
    tracemalloc.start()
    try:
        node = lone(records)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    if len(node.memory["records"]) not in (0, members):
        raise OverlayError(f"the node holds {len(node.memory['records'])} of {members} records.", "See its gossip.")
    return held


def _record(number: int) -> bytes:
    """A typical record: four endpoints, eight links, about 400 bytes and more."""
    identity = Identity(number.to_bytes(32, "big"))
    high, low = divmod(number, 250)
    return sign(
        Record(
            id=identity.id,
            sequence=3,
            boot=bytes(8),
            name=f"member-{number}",
            ipv4=str(ipv4_prefix(KEYS.name)[256 * (high + 1) + low + 1]),
            ipv4_fixed=False,
            ipv6=ipv6_address(KEYS.name, identity.id),
            endpoints=tuple(RecordEndpoint(f"198.18.{high}.{low + 1}:{1024 + each}", "stun") for each in range(4)),
            nat="NAT3",
            links=tuple(RecordLink(Identity((number + 1 + each).to_bytes(32, "big")).id, 10) for each in range(8)),
            relay=True,
            version="0.1.0",
        ),
        identity,
        KEYS.name,
    )


def _goal(title: str, name: str, floor: float, aim: float) -> Goal:
    return Goal(title=title, value=median(name), floor=floor, aim=aim)


def _crowd(members: int) -> Row:
    name = f"virtual_{members}"
    return Row(
        name=f"virtual-{members}",
        about=f"{members} members in virtual time",
        rounds=1,
        run=lambda settings, seed: steady(members, seed=seed),
        goals=(
            _goal(f"{members:,} members, steady: bytes a second sent a node, median", f"{name}_median", 300, 200),
            _goal("  max", f"{name}_max", 2000, 800),
            _goal("  a new one known to all, virtual s (40 ms links)", f"{name}_known", 5, 2),
            _goal("  wall s of one virtual minute", f"{name}_wall", 180, 60),
        ),
    )


def _memory(settings: Settings, seed: int) -> Figures:
    return knowing(1000)


def virtual_rows() -> tuple[Row, ...]:
    """The rows of the bench that need no kernel."""
    memory = Row(
        name="virtual-memory",
        about="memory of a node that knows many",
        rounds=1,
        run=_memory,
        goals=(_goal("knows 1,000 members above one that knows 1, MiB", "knows_1000", 25, 8),),
    )
    return (*map(_crowd, (10, 100, 1000)), memory)
