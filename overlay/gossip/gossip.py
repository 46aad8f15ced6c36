"""The room of records: our own, those of the others, their spread, and who holds which name and address.

SessionUp, HaveReceived, WantReceived, RecordsReceived --> spread --> SendGossip
RootHeard, BucketsReceived --> healing ---------------------^   |
Quiet, UnheardReceived --> silence -------------------------^   | a record
                                              intake --> members --> MemberChanged, MemberQuiet, MemberGone
                                                      \\-> bindings --> AddressBound, AddressUnbound, Conflict
SelfChanged, NoPeers, FirstDial, Leaving --> own record --> OwnRecordIssued, AddressClaimed
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import Enum, auto

from overlay.gossip.addresses import SILENT, Bindings, must_move
from overlay.gossip.clones import Clones, Doubles
from overlay.gossip.commands import Command
from overlay.gossip.conflicts import Conflicts, address_text, claims_text, clone_text, flood_text, name_text
from overlay.gossip.events import (
    AddressBound,
    AddressUnbound,
    Event,
    MemberChanged,
    MemberGone,
    MemberQuiet,
    RootChanged,
)
from overlay.gossip.facts import (
    BucketsReceived,
    Doubled,
    Fact,
    FirstDial,
    HaveReceived,
    Heard,
    Leaving,
    MemberLeft,
    NoPeers,
    Quiet,
    RecordsReceived,
    Remembered,
    RootHeard,
    SelfChanged,
    SessionDown,
    SessionUp,
    UnheardReceived,
    WantReceived,
)
from overlay.gossip.intake import Intake, Verified, says_more
from overlay.gossip.members import Members
from overlay.gossip.names import unique_names
from overlay.gossip.own import OwnRecord
from overlay.gossip.record import Record
from overlay.gossip.silence import Silence
from overlay.gossip.spread import Spread
from overlay.identity import Identity, NetworkKeys, digest
from overlay.values import NodeId, short_id
from punch.timers import Timers

CLAIM_AFTER = 1.0
"""Seconds after the first dial at which an address is claimed, synced or not."""
TIDY = 60.0
"""Seconds between two looks at what is old."""


class Timer(Enum):
    """What the room waits for, beside its spread."""

    CLAIM = auto()
    """The first dial was a second ago: take an address, synced or not."""
    ISSUE = auto()
    """Our record may be signed again."""
    REFRESH = auto()
    """Our record is an interval old."""
    LINKS = auto()
    """Our links may be said again."""
    OUTBID = auto()
    """A clone may be outbid again."""
    TIDY = auto()
    """Look for what is old."""


class Gossip:
    """The machine; see the module."""

    def __init__(
        self,
        *,
        identity: Identity,
        network: NetworkKeys,
        name: str,
        fixed_ipv4: str | None,
        remembered_ipv4: str | None,
        version: str,
        relay: bool,
        boot: bytes,
        sequence: int,
        entropy: random.Random,
        now: float,
    ) -> None:
        """Issue the first record, above `sequence`; its address is empty unless given or remembered.

        Raises UsageError: `name` is no DNS label, or `fixed_ipv4` is not of this network."""
        self.drops: dict[str, int] = {}
        self._entropy = entropy
        self._own = OwnRecord(
            identity,
            network,
            name=name,
            ipv4=fixed_ipv4 or remembered_ipv4 or "",
            fixed=fixed_ipv4 is not None,
            version=version,
            relay=relay,
            boot=boot,
            sequence=sequence,
        )
        self._members = Members(digest("record", network.name.encode()))
        self._bindings = Bindings()
        self._spread = Spread(self._members, self.drops, entropy=entropy, now=now)
        self._intake = Intake(network.name, self._own.id, self._members, self._spread, self._drop)
        self._silence = Silence(self._members, self._spread, self._own.id, self.drops, now=now)
        self._clones = Clones(boot, entropy=entropy)
        self._doubles = Doubles()
        self._conflicts = Conflicts()
        self._refused_before: list[dict[NodeId, int]] = []
        self._root = b""
        self._timers: Timers[Timer] = Timers()
        self._events: list[Event] = []
        self._changed: dict[NodeId, bool] = {}
        self._names = {self._own.id: name}
        self._names_stale = False
        self._timers.set(Timer.TIDY, now + TIDY)
        self._bindings.claim(self._own.id, self._own.addresses, take=True)
        self._issued(now=now)
        self._settle(now=now)

    # -- what others may ask ------------------------------------------------------------------------------------

    @property
    def own(self) -> Record:
        """Our record as last signed."""
        return self._own.record

    @property
    def own_signed(self) -> bytes:
        """Its signed bytes, for handshakes."""
        return self._own.signed

    def member(self, node: NodeId) -> Record | None:
        """The record of a member, our own too; None for one unknown or gone."""
        held = self._members.get(node)
        return held.record if held else None

    def introducer(self, node: NodeId) -> NodeId | None:
        """The neighbour that brought the id of a member; None: the disk, or itself."""
        held = self._members.get(node)
        return held.by if held else None

    def members(self) -> list[Record]:
        """The records of all others, in the order they came to be known."""
        return [held.record for held in self._members.all() if held.record.id != self._own.id]

    def signed_records(self) -> tuple[bytes, ...]:
        """The signed records of all others, to be kept on disk and told as Remembered at the next start."""
        return tuple(held.signed for held in self._members.all() if held.record.id != self._own.id)

    def name_of(self, node: NodeId) -> str:
        """What a member is called here, unique; a stranger by its short id."""
        return self._names.get(node) or short_id(node)

    def bound(self, address: str) -> NodeId | None:
        """Who holds the overlay `address` (canonical text): a member, ourselves, or nobody."""
        return self._bindings.holder(address)

    # -- the verbs ----------------------------------------------------------------------------------------------

    def tell(self, fact: Fact, *, now: float) -> None:
        """Hand over what is known now."""
        match fact:
            case Heard():
                self._members.heard(fact.peer, now=now)
            case HaveReceived():
                self._spread.have(fact.peer, fact.entries, now=now)
                self._silence.doubted(fact.peer, fact.entries)
            case WantReceived():
                self._spread.want(fact.peer, fact.ids, now=now)
            case RecordsReceived():
                self._take_all(fact.records, fact.peer, now=now)
            case RootHeard():
                self._spread.healing.root(fact.peer, fact.root, now=now)
            case BucketsReceived():
                self._spread.healing.buckets(fact.peer, fact.hashes, now=now)
            case UnheardReceived():
                if self._silence.heard(fact.peer, fact.entries, now=now):
                    self._own.outbid(self._own.record.sequence)
            case Quiet():
                self._silence.fell_silent(fact.peer, now=now)
            case Leaving():
                self._leave(now=now)
            case Remembered():
                self._take_all(fact.records, None, now=now)
            case SessionUp():
                self._session_up(fact, now=now)
            case Doubled():
                self._doubled(fact.peer, now=now)
            case SessionDown():
                self._spread.down(fact.peer, now=now)
                self._doubles.down(fact.peer)
            case SelfChanged():
                self._own.describe(fact.endpoints, fact.links, relay=fact.relay, nat=fact.nat, now=now)
            case FirstDial():
                self._claim_soon(now=now)
            case NoPeers():
                self._claim()
            case MemberLeft():
                self._spread.down(fact.peer, now=now)
                self._gone(fact.peer, left=True, now=now)
        if self._spread.synced:
            self._claim()
        self._settle(now=now)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""
        due = (self._timers.next(), self._spread.next_timeout(), self._silence.next_timeout())
        return min((at for at in due if at is not None), default=None)

    def handle_timeout(self, *, now: float) -> None:
        """Do what is due."""
        tidy_at = self._timers.get(Timer.TIDY) or now
        for timer in self._timers.expired(now):
            match timer:
                case Timer.CLAIM:
                    self._claim()
                case Timer.ISSUE | Timer.REFRESH:
                    self._issue(now=now)
                case Timer.LINKS:
                    self._own.relink(now=now)
                case Timer.OUTBID:
                    self._outbid(self._clones.outbid(now=now), now=now)
                case Timer.TIDY:
                    self._tidy(now - tidy_at, now=now)
        self._spread.handle_timeout(now=now)
        self._events.extend(MemberQuiet(node) for node in self._silence.handle_timeout(now=now))
        self._settle(now=now)

    def commands(self) -> Iterator[Command]:
        """Drain what is to be sent."""
        yield from self._spread.drain()
        yield from self._silence.commands()

    def events(self) -> Iterator[Event]:
        """Drain what happened."""
        events, self._events = self._events, []
        yield from events

    # -- our own record -----------------------------------------------------------------------------------------

    def _claim_soon(self, *, now: float) -> None:
        if not self._own.ipv4 and self._timers.get(Timer.CLAIM) is None:
            self._timers.set(Timer.CLAIM, now + CLAIM_AFTER)

    def _claim(self) -> None:
        """Take the first derived address that nobody holds, unless we have one."""
        if not self._own.ipv4:
            self._timers.clear(Timer.CLAIM)
            self._move()

    def _move(self, why: str = "") -> None:
        self._own.choose(self._bindings.held(), why)
        self._bindings.claim(self._own.id, self._own.addresses, take=True)

    def _issue(self, *, now: float) -> None:
        self._own.issue()
        self._issued(now=now)

    def _leave(self, *, now: float) -> None:
        """Sign a last record; the hall hands it to the neighbours with its last words."""
        self._own.leave()
        self._members.put(self._own.record, self._own.signed, now=now)

    def _issued(self, *, now: float) -> None:
        """A record of ours was signed: hold it, tell it, and plan the next."""
        self._members.put(self._own.record, self._own.signed, now=now)
        self._spread.announce(self._own.id, (), own=True, now=now)
        self._timers.clear(Timer.ISSUE)
        self._timers.set(Timer.REFRESH, now + self._members.interval * (0.9 + 0.1 * self._entropy.random()))

    # -- records of others --------------------------------------------------------------------------------------

    def _session_up(self, fact: SessionUp, *, now: float) -> None:
        self._take(fact.record, fact.peer, handshake=True, now=now)
        self._members.heard(fact.peer, now=now)
        self._spread.up(fact.peer, now=now)
        self._doubles.up(fact.peer, fact.boot, now=now)
        held, last = self._members.get(fact.peer), self._members.signed(fact.peer)
        if last is not None and (held is None or self._doubles.is_other(held.record)):
            # It forgot how far it had counted, or another host counts too: it goes above what it is shown.
            self._spread.show(fact.peer, last)
        self._claim_soon(now=now)

    def _doubled(self, peer: NodeId, *, now: float) -> None:
        """Two hosts speak for one identity: each is to hear of the other."""
        signed = self._members.signed(peer)
        if self._doubles.heard(peer, now=now) and signed is not None:
            self._spread.show(peer, signed)

    def _take_all(self, records: list[bytes], peer: NodeId | None, *, now: float) -> None:
        for signed in records:
            self._take(signed, peer, now=now)

    def _take(self, signed: bytes, peer: NodeId | None, *, handshake: bool = False, now: float) -> None:
        """Check a record that `peer` sent (None: the disk), and keep it."""
        verified = self._intake.check(signed, peer, handshake=handshake, now=now)
        if verified is None:
            return
        record = verified.record
        if peer is not None:
            self._spread.came(peer, record.id, record.sequence, now=now)
            self._spread.healing.learned(peer)
        if record.id == self._own.id:
            self._outbid(self._clones.foreign(record, now=now), now=now)
        elif record.left:
            self._farewell(verified, now=now)
        else:
            for node in self._intake.evicted:
                self._gone(node, left=False, evicted=True, now=now)
            self._intake.evicted.clear()
            self._keep(verified, now=now)

    def _outbid(self, sequence: int | None, *, now: float) -> None:
        """Sign above a record of ours that we did not sign; neighbours get it unasked, as one may be about to forget
        the keys we share, and whoever signed the other is to hear of it."""
        if sequence is not None:
            self._own.outbid(sequence)
            if self._own.outdated:
                self._issue(now=now)
                self._spread.hand_on(self._own.signed, (self._own.id,))
        if (due := self._clones.due()) is not None:
            self._timers.set(Timer.OUTBID, due)

    def _farewell(self, verified: Verified, *, now: float) -> None:
        """A member's last record: let it go, and tell whoever may not know."""
        record, signed, peer = verified.record, verified.signed, verified.peer
        known = self._members.has_left(record.id)
        self._gone(record.id, left=True, now=now)
        self._members.bury(record.id, record.sequence, signed, left=True, now=now)
        if not known:
            self._spread.farewell(record.id, signed, (record.id,) if peer is None else (record.id, peer), now=now)

    def _keep(self, verified: Verified, *, now: float) -> None:
        """Believe a verified record."""
        record, signed, peer = verified.record, verified.signed, verified.peer
        node = record.id
        held = self._members.get(node)
        before = held.record if held is not None else None
        if before is not None:
            self._silence.spoke(before, record, now=now)
        self._names_stale |= before is None or before.name != record.name
        first = self._members.put(record, signed, by=peer if peer != node else None, now=now)
        self._changed[node] = first or self._changed.get(node, False)
        self._bindings.claim(node, (record.ipv4, record.ipv6) if record.ipv4 else (record.ipv6,))
        if self._doubles.listen(record, now=now):
            self._spread.show(node, signed)
        known_to = (node,) if peer is None else (node, peer)
        rival = before is not None and before.sequence == record.sequence
        refresh, straight = not says_more(record, before), peer == node and before is not None and not rival
        self._spread.announce(node, known_to, refresh=refresh, whole=rival, straight=straight, now=now)
        own = self._own
        if record.ipv4 == own.ipv4 != "" and must_move(
            (own.id, own.record.ipv4_fixed), (node, record.ipv4_fixed), record.ipv4
        ):
            how = "has it by --ip" if record.ipv4_fixed else "took it too, and of two one has to move"
            self._move(f"{record.name} {how}: {record.ipv4} is no longer this device's")

    def _gone(self, node: NodeId, *, left: bool, evicted: bool = False, now: float) -> None:
        """Let a member go; one that is `evicted` may come again."""
        if node == self._own.id or self._members.get(node) is None:
            return
        if evicted:
            self._members.evict(node)
        else:
            self._members.drop(node, now=now)
        self._bindings.release(node)
        self._spread.gone(node, now=now)
        self._changed.pop(node, None)
        self._names_stale = True
        self._events.append(MemberGone(node, left))

    # -- time and consequences ----------------------------------------------------------------------------------

    def _tidy(self, late: float, *, now: float) -> None:
        """Let expired members and silent holders go; time asleep, when nobody could be heard, does not count."""
        self._timers.set(Timer.TIDY, now + TIDY)
        self._members.tidy(slept=late if late > TIDY else 0.0, now=now)
        self._spread.tidy(now=now)
        self._intake.tidy(now=now)
        self._silence.tidy(now=now)
        self._clones.tidy(now=now)
        self._forget_floods()
        for node in self._members.expired(self._own.id, now=now):
            self._gone(node, left=False, now=now)
        for address, (holder, *rivals) in self._bindings.rivals():
            if self._is_silent(holder, now):
                for rival in rivals:
                    if not self._is_silent(rival, now):
                        self._bindings.hand_over(address, rival)
                        break

    def _forget_floods(self) -> None:
        """Whoever had nothing refused since the last look is no flood any more."""
        before = self._refused_before
        self._refused_before = []
        for index, refused in enumerate((self._spread.refused, self._silence.refused)):
            for node in [node for node, count in refused.items() if before and before[index].get(node) == count]:
                del refused[node]
            self._refused_before.append(dict(refused))

    def _is_silent(self, node: NodeId, now: float) -> bool:
        held = self._members.get(node)
        return node != self._own.id and (held is None or now - held.heard >= SILENT)

    def _settle(self, *, now: float) -> None:
        """Sign what changed of us, and tell what follows for names, addresses and conflicts."""
        if (links_due := self._own.links_due(now=now)) is not None:
            self._timers.set(Timer.LINKS, links_due)
        if self._own.outdated and self._timers.get(Timer.ISSUE) is None:
            due = self._own.due(now=now)
            if due <= now:
                self._issue(now=now)
            else:
                self._timers.set(Timer.ISSUE, due)
        self._events.extend(self._own.events())
        self._tell_members()
        for address, before, after in self._bindings.changes():
            if before is not None and before != self._own.id:
                self._events.append(AddressUnbound(address))
            if after is not None and after != self._own.id:
                self._events.append(AddressBound(after, address))
        self._tell_conflicts()
        self._spread.healing.changed(now=now)
        if self._root != self._members.digest.root:
            self._root = self._members.digest.root
            self._events.append(RootChanged(self._root))

    def _tell_members(self) -> None:
        """MemberChanged for every new record and every new name."""
        changed, self._changed = self._changed, {}
        if self._names_stale:
            self._names_stale = False
            names = unique_names((held.record.id, held.record.name) for held in self._members.all())
            for node, name in names.items():
                if name != self._names.get(node) and node != self._own.id:
                    changed.setdefault(node, False)
            self._names = names
        for node, first in changed.items():
            if held := self._members.get(node):
                self._events.append(MemberChanged(held.record, self._names[node], first))

    def _tell_conflicts(self) -> None:
        """What differs from the conflicts last told."""
        own = self._own.record
        there = {
            "address_conflict": address_text(self._bindings, self._called),
            "name_conflict": name_text(own, self._names[own.id]),
            "duplicate_id": clone_text(self._clones.record),
            "identity_flood": flood_text(self._spread.refused, self.name_of),
            "false_claims": claims_text(self._silence.refused, self.name_of),
        }
        self._events.extend(self._conflicts.news(there))

    def _called(self, node: NodeId) -> str:
        return "this device" if node == self._own.id else self.name_of(node)

    def _drop(self, reason: str) -> None:
        self.drops[reason] = self.drops.get(reason, 0) + 1
