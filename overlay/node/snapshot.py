"""What `overlay status --json` shows, field by field (contract, JSON). Unknown is None or `unknown`, never made up."""

from __future__ import annotations

from msgspec import Struct, field

SCHEMA = 1


class Nat(Struct, frozen=True, kw_only=True):
    """A NAT profile on the RFC 4787 axes and in people's words; unknown where nothing was measured."""

    type: str = "unknown"
    mapping: str = "unknown"
    filtering: str = "unknown"
    allocation: str = "unknown"
    step: int | None = None
    label: str | None = None
    age_s: float | None = None


class Network(Struct, frozen=True):
    """The network as this node sees it."""

    name: str
    members: int
    """This node and the members connected or connecting."""


class OwnEndpoint(Struct, frozen=True):
    """An endpoint of ours and how we know it: local, public, stun, portmap, given."""

    address: str
    kind: str


class Self(Struct, frozen=True, kw_only=True):
    """This node."""

    id: str
    name: str
    ipv4: str | None
    ipv6: str | None
    dev: str | None
    """None with --no-tun."""
    mtu: int
    port: int
    uptime_s: float
    endpoints: list[OwnEndpoint]
    nat: Nat


class Path(Struct, frozen=True, kw_only=True):
    """What we send on."""

    kind: str
    """direct, relay or none."""
    transport: str | None
    endpoint: str | None
    via: list[str]
    hops: int | None
    since_s: float | None


class Hop(Struct, frozen=True, kw_only=True):
    """One hop of today's path to a peer, as `overlay trace` shows it."""

    name: str
    endpoint: str | None
    """Where its datagrams go, if we send them there ourselves."""
    rtt_ms: float | None
    """There and back from here, by a sealed answer of that hop; None: it did not answer in time."""
    loss: float | None = None
    """0..1, of the questions asked of that hop."""


class KnownWay(Struct, frozen=True, kw_only=True):
    """One way to a peer, as `overlay why` shows it."""

    kind: str
    """direct or relay."""
    endpoint: str | None
    """Where our datagrams go."""
    via: list[str]
    state: str
    """used; both: used together with another; spare: proven and kept; doubtful: sent on it and nothing comes back; bad:
    it did worse than a relay, and rests; unproven."""
    rtt_ms: float | None
    jitter_ms: float | None
    loss: float | None
    """0..1, as measured on this way; None: not measured."""
    heard_s: float | None
    """Since when nothing was heard on it."""
    rests_s: float | None = None
    """Relays go before it for so long: it did worse than they do."""


class KnownRelay(Struct, frozen=True, kw_only=True):
    """A member that may carry to a peer, as `overlay why` shows it; the cheapest first."""

    name: str
    via: list[str]
    """The relays on the way, this one first."""
    state: str
    """carries; spare: could carry; refused: would not, within the last minute; off: does not carry for others."""
    here_ms: float | None
    """Cost from here to it: RTT with a penalty for loss and jitter."""
    there_ms: float | None
    """Cost from it to the peer: what records say, or what a circuit measured; None: not known apart."""


class Explained(Struct, frozen=True, kw_only=True):
    """The ways to a peer, and who may carry to it."""

    ways: list[KnownWay]
    relays: list[KnownRelay]
    far: bool = False
    """A member of a large mesh that needs no session now: one opens when it is used."""


class PunchState(Struct, frozen=True, kw_only=True):
    """How the search for a direct path goes."""

    state: str = "idle"
    strategy: str | None = None
    attempts: int = 0
    probes: int = 0
    planned: int = 0
    reason: str | None = None
    text: str | None = None
    retry_s: float | None = None


class Peer(Struct, frozen=True, kw_only=True):
    """Another member."""

    id: str
    name: str
    ipv4: str | None
    ipv6: str | None
    state: str
    """connected, connecting or gone."""
    version: str | None
    seen_s: float | None
    path: Path
    rtt_ms: float | None
    jitter_ms: float | None
    loss: float | None
    """Of datagrams, as the path has it, 0..1 of the last 30 s."""
    rx_bytes: int
    tx_bytes: int
    handshake_s: float | None
    """Age of the newest handshake or rekey."""
    nat: Nat
    punch: PunchState
    loss_inside: float | None = None
    """Of the packets inside, after loss control; 0..1 of the last 30 s."""
    gone: str | None = None
    """How it went: left or silent; None: it is here."""
    gone_s: float | None = None
    """When that was."""


class Punch(Struct, frozen=True, kw_only=True):
    """The engine's budget and counters for all peers together."""

    enabled: bool = False
    nat3_nat4: str
    nat4_nat4: str
    probes_sent: int = 0
    """Packets of attempts: probes, holes, samples, refreshes, answers."""
    probes_received: int = 0
    measured: int = 0
    """Packets that only measured our own NAT."""
    entries_live: int = 0
    max_entries: int
    max_pps: int


class Problem(Struct, frozen=True):
    """Something the person should know, with what to do about it."""

    code: str
    """wrong_secret, no_peer, udp_blocked, address_conflict, subnet_conflict, name_conflict, duplicate_id,
    identity_flood, false_claims, port_moved, old_version, relay_off, device_gone, debug_keys, fault, ..."""
    text: str
    fix: str
    since_s: float


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything `status` tells."""

    schema: int = SCHEMA
    version: str
    network: Network
    self: Self
    peers: list[Peer]
    punch: Punch
    drops: dict[str, int]
    problems: list[Problem] = field(default_factory=list)
