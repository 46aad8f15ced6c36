"""Sockets -> TUN: a batch is read at once, its envelope opened once, each record checked, one write a record.

    recvmsg_into --> | header | slice | header | slice | ... |      one UDP_GRO batch
         |
         +-- data, its slices lie side by side --> joined, opened --+--> each record checked --> TUN
         +-- data, anything else --> reassembly (bounded) ----------+     (equal UDP packets joined: `runs`)
         +-- a circuit's label --> forward
         +-- all other frames --> the hall

The slices of a batch are taken to be an envelope when the first and the last say so; what lies between is proven by
the tag. Only if that fails are they looked at one by one.
"""

from __future__ import annotations

import struct

from overlay.dataplane import port
from overlay.dataplane.abi import ACCEPT_USO, IP_PKTINFO, IPV6_PKTINFO, SOL_IP, SOL_IPV6, SOL_UDP, UDP_GRO, VNET
from overlay.dataplane.check import PLAIN_UDP, REASONS, check
from overlay.dataplane.edges import Address, Inlet, Tun
from overlay.dataplane.envelope import LENGTH, Opener
from overlay.dataplane.forward import Forward
from overlay.dataplane.rows import Link, OpenKey, Peer
from overlay.dataplane.runs import join, like_first
from overlay.dataplane.tables import Tables
from overlay.values import NodeId
from overlay.wire.frame import CONTROL, DATA, HEADER, HEADER_SIZE, MAX_SLICES, PROBE_ANSWER, SLICED, is_parity
from overlay.wire.reassembly import Reassembly
from punch.values import Endpoint, SocketId

TOLD_EVERY = 1.0
"""Seconds between two CameFrom of the same source."""
TIDY_EVERY = 0.05
"""Seconds between two looks at what waited too long, while something comes in."""
FIRSTS = (500, 1500, 5000, 20_000)
"""Slices of a peer after which LossSeen is told though none was missed: it guards a way that it does not know."""
SAID_EVERY = 0.2
"""Seconds between two LossSeen of a peer."""
STRAYS = 64
"""Sources of a peer remembered for that."""
FAILURES, FAILURE_TIME = 3, 1.0
"""Failed tags, within seconds, after which a peer is asked for one datagram an envelope (protocol section 5)."""

Frame = tuple[bytes, Endpoint, SocketId]
"""A datagram that is not data: payload, source, and the socket it came by."""

_length = struct.Struct("<I")


class Downlink:
    """Moves what sockets have."""

    def __init__(self, tables: Tables, tun: Tun) -> None:
        self._tables = tables
        self._labels, self._routes = tables.labels, tables.routes
        self._write, self._writev = tun.write, tun.writev
        self._joins = bool(tun.offloads & ACCEPT_USO)
        self._opener = Opener()
        self._into = (self._opener.view,)
        self._forward = Forward(tables, self._opener.view)
        self._partial = Reassembly()
        self.frames: list[Frame] = []
        """For the hall, oldest first; whoever pumps takes them away."""
        self._now = self._tidied = 0.0
        self._lossy: dict[Peer, None] = {}
        """Peers that are to be told of, in the order they missed something."""
        self._via = SocketId(0)
        self._address: Address = None
        self._inlet: Inlet | None = None

    def pump(self, inlet: Inlet, budget: int, *, now: float) -> bool:
        """Read at most `budget` batches of a socket; whether it may have more."""
        self._now = now
        self._inlet = inlet
        if now - self._tidied >= TIDY_EVERY:
            self._expire(now)
        receive, into, room = inlet.recvmsg_into, self._into, inlet.room
        for _ in range(budget):
            try:
                end, ancillary, _, self._address = receive(into, room)
            except BlockingIOError:
                return False
            except OSError:
                self._tables.drop("receive_failed")
                continue
            size = end
            self._via = inlet.id
            for level, kind, data in ancillary:
                if kind == UDP_GRO and level == SOL_UDP:
                    size = data[0] | data[1] << 8
                else:
                    self._came_to(inlet, level, kind, data)
            if not self._whole(end, size):
                self._batch(end, size)
        return True

    def tidy(self, *, now: float) -> None:
        """Give up envelopes whose slices did not come, and count those that never opened."""
        self._expire(now)
        for peer in self._tables.peers.values():
            self._judge(peer, now)

    def _expire(self, now: float) -> None:
        """Count slices that are missed by now."""
        self._tidied = now
        for each in self._partial.expire(now):
            peer = self._tables.peers.get(NodeId(each.session)) if isinstance(each.session, bytes) else None
            if peer is None or not isinstance(each.key, tuple):
                continue
            _, epoch, counter, *_ = each.key
            key = peer.open_keys.get(epoch)
            if each.whole or (key is not None and key.gave_up(counter)):
                peer.counters.slices += each.came
                peer.counters.missed += each.missed
                self._lossy[peer] = None
        for peer in [peer for peer in self._tables.untold if peer.counters.slices >= FIRSTS[peer.firsts]]:
            peer.firsts = sum(peer.counters.slices >= first for first in FIRSTS)
            if peer.firsts == len(FIRSTS):
                self._tables.untold.remove(peer)
            self._lossy[peer] = None
        for peer in [peer for peer in self._lossy if now - peer.loss_said >= SAID_EVERY]:
            del self._lossy[peer]
            peer.loss_said = now
            self._judge(peer, now)
            self._tables.facts.append(port.LossSeen(peer.id, self._tables.counted(peer)))

    @staticmethod
    def _judge(peer: Peer, now: float) -> None:
        """Count envelopes that never opened; of those that vanished whole at least a slice is missed."""
        for key in peer.open_keys.values():
            lost, vanished = key.judge(now=now)
            peer.counters.incomplete += lost
            peer.counters.missed += vanished

    @property
    def drops(self) -> dict[str, int]:
        """What reassembly dropped, by reason."""
        return self._partial.drops

    def _came_to(self, inlet: Inlet, level: int, kind: int, data: bytes) -> None:
        """Which local address a datagram came to: IP_PKTINFO ends with it, IPV6_PKTINFO begins with it."""
        if level == SOL_IP and kind == IP_PKTINFO:
            self._via = inlet.by_address.get(data[8:12], inlet.id)
        elif level == SOL_IPV6 and kind == IPV6_PKTINFO:
            self._via = inlet.by_address.get(data[:16], inlet.id)

    # --- a batch ---

    def _whole(self, end: int, size: int) -> bool:
        """Take a batch that is one envelope of a peer, as nearly all are; False: it is not, and nothing was done."""
        head = HEADER.unpack_from(self._opener.batch)
        kind, index, count, epoch, label, counter = head
        last = (count - 1) * size
        link = self._labels.get(label)
        if kind != DATA or index or link is None or link.peer is None or not last + HEADER_SIZE < end <= last + size:
            return False
        key = link.peer.open_keys.get(epoch)
        if key is None or (counter <= key.window.highest and key.window.seen(counter)):
            return False
        return self._open(link, link.peer, key, head, self._opener.gather(size, count, end), end)

    def _batch(self, end: int, size: int) -> None:
        """Take `end` bytes of datagrams of `size` bytes each, the last one maybe shorter."""
        batch, labels = self._opener.batch, self._labels
        at = 0
        while at < end:
            stop = at + size
            if stop > end:
                stop = end
            kind = batch[at]
            if kind not in SLICED:
                # A flood of noise ends here, before it costs the hall anything.
                if kind > PROBE_ANSWER:
                    self._tables.drop("frame_type")
                else:
                    self._hand_up(at, stop)
                at = stop
                continue
            if stop - at <= HEADER_SIZE:
                self._tables.drop("frame_short")
                at = stop
                continue
            head = HEADER.unpack_from(batch, at)
            link = labels.get(head[4])
            if link is not None and link.carried is not None:
                at = self._forward.carry(link.carried, at, end, size, self._source(), now=self._now)
            elif kind == CONTROL:
                self._hand_up(at, stop)
                at = stop
            elif link is None:
                self._tables.drop("label_unknown")
                at = stop
            else:
                at = self._data(link, head, at, stop, end)
        if not end:
            self._tables.drop("frame_short")

    def _source(self) -> Endpoint:
        assert self._inlet is not None
        return self._inlet.endpoint(self._address)

    def _hand_up(self, at: int, stop: int) -> None:
        self.frames.append((bytes(self._opener.view[at:stop]), self._source(), self._via))

    # --- an envelope ---

    def _data(self, link: Link, head: tuple[int, ...], at: int, stop: int, end: int) -> int:
        """Take the data slice at `at`, and those of its envelope that lie behind it; where the next frame begins."""
        _, index, count, epoch, label, counter = head
        peer = link.peer
        assert peer is not None
        key = peer.open_keys.get(epoch)
        if key is None:
            self._tables.drop("epoch_unknown")
            return stop
        path = (label, epoch, counter, count, self._via, self._address)
        if key.window.seen(counter):
            if not self._partial.late(path, index) and not is_parity(index, count):
                self._tables.drop("replayed")
            return stop
        opener, size = self._opener, stop - at
        if index == 0 and 0 < count <= MAX_SLICES:
            last = at + (count - 1) * size
            if count == 1 or (last + HEADER_SIZE < end and self._ends_with(head, last)):
                close = last + size
                if close > end:
                    close = end
                if self._open(link, peer, key, head, opener.gather_at(at, size, close), close - at):
                    return close
                if count == 1:
                    self._failed(peer)
                    return stop
        body = opener.view[at + HEADER_SIZE : stop]
        whole = self._partial.add(path, index, count, body, session=peer.id, now=self._now)
        if whole is not None:
            if self._open(link, peer, key, head, whole, len(whole)):
                peer.counters.slices += self._partial.came - count
                peer.counters.rebuilt += self._partial.rebuilt
                self._partial.opened(path, session=peer.id, now=self._now)
            else:
                self._failed(peer)
        return stop

    def _ends_with(self, head: tuple[int, ...], last: int) -> bool:
        """Whether the frame at `last` is the last slice of the envelope that `head` begins."""
        kind, _, count, epoch, label, counter = head
        return HEADER.unpack_from(self._opener.batch, last) == (kind, count - 1, count, epoch, label, counter)

    def _open(
        self, link: Link, peer: Peer, key: OpenKey, head: tuple[int, ...], sealed: memoryview | bytes, received: int
    ) -> bool:
        """Open an envelope, count it, look where it came from, deliver its records; False: the tag did not verify."""
        _, _, count, epoch, _, counter = head
        size = self._opener.open(key, epoch, counter, sealed)
        if size < 0:
            return False
        window, counters = key.window, peer.counters
        highest = counter > window.highest and epoch == peer.newest
        window.mark(counter)
        counters.complete += 1
        counters.slices += count
        counters.last_rx = self._now
        if highest and not link.circuit:
            lanes = peer.lanes
            if not lanes or lanes[0].address != self._address or lanes[0].outlet.id != self._via:
                self._stray(peer, received)
        if size:
            self._deliver(peer, size)
        return True

    def _stray(self, peer: Peer, received: int) -> None:
        """Tell of a source that is none of the peer's ways, once a second each."""
        address, via, now = self._address, self._via, self._now
        if any(lane.address == address and lane.outlet.id == via for lane in peer.lanes[1:]):
            return
        source = (via, address)
        told = peer.strays.get(source)
        if told is not None and now - told < TOLD_EVERY:
            return
        if len(peer.strays) >= STRAYS:
            peer.strays.clear()
        peer.strays[source] = now
        self._tables.facts.append(port.CameFrom(peer.id, via, self._source(), received))

    def _failed(self, peer: Peer) -> None:
        """A tag did not verify."""
        self._tables.drop("bad_tag")
        now, counters = self._now, peer.counters
        counters.failed_tags += 1
        peer.failed_at = (*peer.failed_at, now)[-FAILURES:]
        if len(peer.failed_at) == FAILURES and now - peer.failed_at[0] <= FAILURE_TIME:
            counters.small = True

    # --- records ---

    def _deliver(self, peer: Peer, end: int) -> None:
        """Check every record of the envelope opened last and write those that pass."""
        tables, buffer, view = self._tables, self._opener.plain, self._opener.plain_view
        routes, selves, write = self._routes, tables.selves, self._write
        at = delivered = 0
        while at < end:
            if end - at >= LENGTH:
                size = _length.unpack_from(buffer, at)[0]
            else:
                size = end if any(buffer[at:end]) else 0
            at += LENGTH
            stop = at + size
            if not size:
                break
            if stop > end:
                tables.drop("record_length")
                break
            verdict = check(buffer, at, size, peer, routes, selves)
            if verdict > PLAIN_UDP:
                tables.drop(REASONS[verdict])
                at = stop
                continue
            if verdict and stop < end and self._joins:
                count = like_first(buffer, at, size, end)
                if count > 1:
                    self._write_joined(at, size, count)
                    delivered += (size - VNET) * count
                    at += (size + LENGTH) * count - LENGTH
                    continue
            try:
                write(view[at:stop])
                delivered += size - VNET
            except OSError:
                tables.drop("device_refused")
            at = stop
        peer.counters.rx_bytes += delivered

    def _write_joined(self, at: int, size: int, count: int) -> None:
        """Write a run of equal UDP packets as one; a kernel that does not take it gets them one by one from now on."""
        opener = self._opener
        try:
            self._writev(join(opener.plain, opener.plain_view, at, size, count))
        except OSError:
            self._joins = False
            self._tables.drop("device_refused", count)
