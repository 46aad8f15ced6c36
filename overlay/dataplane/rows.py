"""The rows of the plane's tables: what a peer, a way, a key, a circuit and a label are to the movers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from overlay.dataplane import port
from overlay.dataplane.abi import ACCEPT_ALL, SOL_UDP, UDP_SEGMENT
from overlay.dataplane.edges import Address, Ancillary, Buffer, Outlet
from overlay.sealing import TAG_SIZE, ReplayWindow, aead, tag_size
from overlay.values import NodeId
from overlay.wire.frame import DATA, HEADER_SIZE, parity_index
from overlay.wire.reassembly import TIMEOUT
from punch.values import Endpoint, SocketId

SPARE = 65_536.0
"""Bytes for parity slices that a peer saves up at most, and begins with."""


class OpenKey:
    """One epoch under which frames of a peer open."""

    __slots__ = ("_given_up", "_judged", "_passed", "_passed_at", "decrypt_into", "key", "tag", "window")

    def __init__(self, cipher: str, key: bytes) -> None:
        self.key = key
        self.decrypt_into = aead(cipher, key).decrypt_into
        self.tag = tag_size(cipher)
        self.window = ReplayWindow()
        self._judged = -1
        """Counters up to here are known to be lost or not."""
        self._passed, self._passed_at = -1, 0.0
        """The highest counter some time ago: what is missing up to it will not come any more."""
        self._given_up = 0
        """Envelopes among those not judged yet of which some slices came."""

    def gave_up(self, counter: int) -> bool:
        """Slices of an envelope came, and not enough; False: none was sent under this counter as far as is proven, or
        it was opened another way."""
        window = self.window
        if counter >= window.highest or window.seen(counter):
            return False
        self._given_up += 1
        return True

    def judge(self, *, now: float) -> tuple[int, int]:
        """Envelopes that never opened, and how many of them vanished whole, since last asked."""
        window = self.window
        if now - self._passed_at < TIMEOUT:
            return 0, 0
        lost = window.unseen(self._judged, self._passed)
        self._judged = max(self._judged, self._passed)
        self._passed, self._passed_at = window.highest, now
        known = min(lost, self._given_up)
        self._given_up -= known
        return lost, lost - known


class Lane:
    """A way, resolved: everything a send needs."""

    __slots__ = (
        "_heads",
        "address",
        "body",
        "double",
        "epoch",
        "limit",
        "outlet",
        "parity",
        "plain",
        "segmented",
        "single",
        "way",
    )

    def __init__(self, way: port.Way, outlet: Outlet, address: Address) -> None:
        self.way = way
        self.outlet = outlet
        self.address = address
        self.body = way.size - HEADER_SIZE
        self.limit = way.limit
        self.parity = way.parity
        self.plain: list[Ancillary] = list(outlet.source)
        """Control messages of a single datagram."""
        self.segmented: list[Ancillary] = self.control(way.size)
        """Control messages of a batch cut at this way's own size."""
        self.epoch = -1
        self.single = b""
        """The first 8 bytes of the header of an envelope of one slice, under `epoch`..."""
        self.double = b""
        """...and of its double."""
        self._heads: dict[tuple[int, int], list[bytes]] = {}

    def watch(self, began: Callable[[], None]) -> None:
        """Call `began` with the next send, and never again: until then it goes through a door, which costs the sends
        of ways that nobody watches nothing."""
        outlet = self.outlet

        def sendmsg(pieces: Sequence[Buffer], control: Sequence[Ancillary], flags: int, address: Address) -> int:
            if self.outlet is not outlet:
                self.outlet = outlet
                began()
            return outlet.sendmsg(pieces, control, flags, address)

        self.outlet = Outlet(outlet.id, sendmsg, outlet.address, outlet.source)
        self.outlet.gso = outlet.gso

    def control(self, size: int) -> list[Ancillary]:
        """Control messages of a batch cut at `size`."""
        return [*self.outlet.source, (SOL_UDP, UDP_SEGMENT, size.to_bytes(2, "little"))]

    def use(self, epoch: int) -> None:
        """Write headers of this epoch from now on."""
        self.epoch = epoch
        self.single, self.double = self._head(0, 1), self._head(parity_index(1, 0), 1)
        self._heads.clear()

    def heads(self, count: int, k: int = 0) -> list[bytes]:
        """The first 8 bytes of the headers of `count` slices and `k` parity slices, under `epoch`."""
        found = self._heads.get((count, k))
        if found is None:
            indexes = [*range(count), *(parity_index(k, number) for number in range(k))]
            found = self._heads[count, k] = [self._head(index, count) for index in indexes]
        return found

    def _head(self, index: int, count: int) -> bytes:
        return bytes((DATA, index, count, self.epoch)) + self.way.label.to_bytes(4, "little")


class Peer:
    """One peer as the movers see it."""

    __slots__ = (
        "aad",
        "asked",
        "body",
        "counter",
        "counters",
        "encrypt_into",
        "epoch",
        "failed_at",
        "firsts",
        "held",
        "held_bytes",
        "id",
        "keyed",
        "lanes",
        "limit",
        "loss_said",
        "newest",
        "offloads",
        "open_keys",
        "parity",
        "ready",
        "reshape",
        "seal_key",
        "spare",
        "strays",
        "tag",
        "ways",
    )

    def __init__(self, id_: NodeId) -> None:
        self.id = id_
        self.offloads = ACCEPT_ALL
        """Bits of record types it accepts."""
        self.held: deque[bytes] = deque()
        """Records (header and packet) that wait for keys and a way."""
        self.held_bytes = 0
        self.clear()

    def clear(self) -> None:
        """Without keys, ways and counters, as at first."""
        self.encrypt_into: Callable[..., int] | None = None
        self.seal_key = b""
        self.tag = TAG_SIZE
        """Bytes that sealing adds."""
        self.epoch = 0
        self.counter = 0
        """The next one to seal under."""
        self.aad = bytearray(10)
        """Associated data of the present epoch; the counter is written in its place for each envelope."""
        self.open_keys: dict[int, OpenKey] = {}
        self.newest = -1
        """The epoch put last."""
        self.ways: tuple[port.Way, ...] = ()
        self.lanes: tuple[Lane, ...] = ()
        self.limit = port.FULL_ENVELOPE
        """Plaintext bytes of an envelope: the smallest of its ways."""
        self.body = 0
        """Bytes of a slice: the smallest of its ways."""
        self.parity = 0
        """Parity slices that follow an envelope: the most of its ways, as far as `spare` goes."""
        self.spare = SPARE
        """Bytes that parity slices of envelopes of several slices may take now: a share of what was sent."""
        self.ready = False
        """Keys and a way stand."""
        self.reshape = False
        """Its records go one by one through `segment`: there are offloads it does not take."""
        self.asked = False
        """TrafficWaiting was told and not answered."""
        self.keyed = False
        """It had a key once: its counters count."""
        self.counters = port.PeerCounters()
        self.failed_at: tuple[float, ...] = ()
        """When the last tags failed."""
        self.strays: dict[tuple[SocketId, Address], float] = {}
        """Sources that are not its way -> when CameFrom was last told."""
        self.loss_said = 0.0
        """When LossSeen was last told."""
        self.firsts = 0
        """How often it was told because so many slices came."""

    def seal_with(self, cipher: str, epoch: int, key: bytes) -> None:
        """Seal with this key from now on; counters start at 0, unless it is the present one: no nonce comes twice."""
        self.encrypt_into = aead(cipher, key).encrypt_into
        self.tag = tag_size(cipher)
        if key != self.seal_key:
            self.seal_key = key
            self.epoch = epoch
            self.counter = 0
            self.aad = bytearray((DATA, epoch)) + bytes(8)

    def open_with(self, cipher: str, epoch: int, key: bytes) -> None:
        """Open frames of `epoch` with this key; its replay window is new, unless it is the present one."""
        earlier = self.open_keys.get(epoch)
        if earlier is None or earlier.key != key:
            self.open_keys.pop(epoch, None)  # the newest stands last
            self.open_keys[epoch] = OpenKey(cipher, key)
            self.newest = epoch
            self.counters.small = False

    def settle(self) -> None:
        """Work out what follows from keys, ways and offloads."""
        self.ready = self.encrypt_into is not None and bool(self.lanes)
        self.limit = min((lane.limit for lane in self.lanes), default=port.FULL_ENVELOPE)
        self.body = min((lane.body for lane in self.lanes), default=0)
        self.parity = max((lane.parity for lane in self.lanes), default=0)
        self.reshape = self.offloads & ACCEPT_ALL != ACCEPT_ALL

    def afford(self, k: int, earned: float, size: int) -> int:
        """How many of `k` parity slices of `size` bytes may follow an envelope that adds `earned` bytes to what parity
        may take."""
        spare = min(SPARE, self.spare + earned)
        while k and k * size > spare:
            k >>= 1
        self.spare = spare - k * size
        return k


class Circuit:
    """Where frames of a carried circuit go on."""

    __slots__ = ("address", "bytes", "command", "last", "outlet", "sources")

    def __init__(self, command: port.PutCircuit, outlet: Outlet | None) -> None:
        self.command = command
        self.sources: tuple[Endpoint, ...] = (command.source, *command.also)
        self.outlet = outlet
        self.address: Address = outlet.address(command.out_endpoint) if outlet is not None else None
        self.bytes = 0
        self.last = 0.0


class Link:
    """What a label means: frames of a peer, or of a circuit we carry."""

    __slots__ = ("carried", "circuit", "peer")

    def __init__(self, peer: Peer | None, circuit: bool, carried: Circuit | None) -> None:
        self.peer = peer
        self.circuit = circuit
        """Its frames come over a relay: their source is nobody's candidate."""
        self.carried = carried
