"""The invariants: what must hold after every step of every node, and each second.

step    circuits form no loop; no packet twice, none that nobody sent; no record older than one held before
second  the engine's budget is held; tables are bounded; drops have fixed reasons, and none is a fault of our own
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from overlay.shell.virtual import VirtualNode
from overlay.values import NodeId
from tools.worlds import inside
from tools.worlds.broken import Broken
from tools.worlds.traffic import Traffic

MOST_LINKS = 8
"""Links of a circuit at most (protocol section 7)."""
NEVER = ("fault", "unsettled")
"""Drops that are faults of our own."""
REASON = re.compile(r"[a-z][a-z0-9_]{1,39}")
MOST_REASONS = 120
BURST = 40
"""Depth of the engine's bucket (design section 4)."""
WEIGHED_EVERY = 20
"""Seconds from one weighing of all tables to the next: it walks everything."""
FIXED_WEIGHT, WEIGHT_A_MEMBER = 30_000, 3_000
"""Entries in all tables of a node at most, and more for each record it may hold."""


class Seen(Struct):
    """What was seen of one node since it started."""

    newest: dict[NodeId, int]
    changes: int = -1
    probes: int = 0
    at: float = 0.0


class Watch:
    """Looks at nodes; `nodes` are those that live now, by name, and `packets` what they may be handed."""

    def __init__(self, nodes: Mapping[str, VirtualNode], packets: Traffic) -> None:
        self._nodes = nodes
        self._packets = packets
        self._seen: dict[str, Seen] = {}
        self._ids: dict[NodeId, str] = {}
        self._seconds = 0
        self.heaviest = 0
        """Most entries that any node had in its tables."""

    def born(self, name: str, node: VirtualNode, *, now: float) -> None:
        """A node starts, with no memory of ours."""
        seen = self._seen[name] = Seen({}, at=now)
        self._ids[node.node.id] = name
        inside.when_held(node, lambda member, sequence: self._record(name, seen, member, sequence))

    def step(self, name: str, node: VirtualNode) -> None:
        """A node did something.

        Raises:
            Broken: what must hold does not.
        """
        if node.tun.taken:
            for packet in node.received():
                self._packets.take(name, packet)
        seen = self._seen[name]
        changes = inside.changes(node)
        if changes != seen.changes:
            seen.changes = changes
            self._no_loop(name, node)

    def second(self, *, now: float) -> None:
        """A second passed.

        Raises:
            Broken: what must hold does not.
        """
        self._seconds += 1
        for name, node in self._nodes.items():
            self._budget(name, node, now)
            self._drops(name, node)
            if self._seconds % WEIGHED_EVERY == 0:
                self.weigh(name, node)

    def weigh(self, name: str, node: VirtualNode) -> None:
        """All tables of a node are as small as they should be.

        Raises:
            Broken: they are not.
        """
        sizes = inside.weigh(node)
        total, records = sizes.pop("all"), inside.records(node)
        self.heaviest = max(self.heaviest, total)
        if total > FIXED_WEIGHT + WEIGHT_A_MEMBER * records:
            largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:5]
            raise Broken("memory", f"{name} holds {total} entries with {records} records: {largest}")

    # --- one each

    def _record(self, name: str, seen: Seen, member: NodeId, sequence: int) -> None:
        before = seen.newest.get(member, -1)
        if sequence < before:
            whose = self._ids.get(member, member.hex()[:8])
            raise Broken("older", f"{name} holds record {sequence} of {whose}, and held {before} before")
        seen.newest[member] = sequence

    def _no_loop(self, name: str, node: VirtualNode) -> None:
        """Follow every circuit that begins here, from node to node, by the labels they carry on."""
        for start in inside.forwards(node).values():
            at, forward, links = start.target, start, 1
            while (where := self._nodes.get(self._ids.get(at, ""))) is not None and where.node.id == at:
                onward = inside.forwards(where).get(forward.out_label)
                if onward is None:
                    break
                links += 1
                if links >= MOST_LINKS or (onward.label == start.label and at == node.node.id):
                    raise Broken("loop", f"a circuit through {name} goes over {links} links and does not end")
                at, forward = onward.target, onward

    def _budget(self, name: str, node: VirtualNode, now: float) -> None:
        seen = self._seen[name]
        view, entries, rate = inside.budget(node, now=now)
        if view.entries_live > entries:
            raise Broken("budget", f"{name} has {view.entries_live} NAT entries open, of {entries}")
        most = BURST + rate * (now - seen.at)
        if view.probes_sent - seen.probes > most:
            raise Broken("budget", f"{name} sent {view.probes_sent - seen.probes} probes where {most:.0f} are allowed")
        seen.probes, seen.at = view.probes_sent, now

    def _drops(self, name: str, node: VirtualNode) -> None:
        drops = inside.drops(node)
        for reason in NEVER:
            if drops.get(reason):
                raise Broken("fault", f"{name} counts {reason}")
        odd = [reason for reason in drops if REASON.fullmatch(reason) is None]
        if odd or len(drops) > MOST_REASONS:
            raise Broken("drops", f"{name} drops for reasons that are no fixed words: {odd[:5] or len(drops)}")
