"""What a node is made of: read once at its start."""

from __future__ import annotations

from msgspec import Struct

from overlay.identity import Identity, NetworkKeys
from overlay.session.tickets import Ticket
from overlay.values import NodeId
from punch.config import PunchConfig, StunConfig
from punch.values import Endpoint


class Setup(Struct, frozen=True, kw_only=True):
    """Everything a node is handed at its start; the shell gathered it."""

    identity: Identity
    keys: NetworkKeys
    name: str
    """DNS label it goes by."""
    fixed_ipv4: str | None
    """--ip."""
    remembered_ipv4: str | None
    """The address an earlier run held."""
    sequence: int
    """The highest sequence of our record that an earlier run signed; 0: none."""
    boot: bytes
    """8 random bytes, new at each start."""
    peers: tuple[str, ...]
    """ADDRs to dial."""
    advertise: tuple[str, ...]
    """Numeric endpoints at which others reach us, `1.2.3.4:5`."""
    records: tuple[bytes, ...]
    """Signed records an earlier run knew."""
    endpoints: tuple[Endpoint, ...]
    """Endpoints that answered an earlier run, newest first."""
    holders: tuple[NodeId, ...] = ()
    """Who did at each of them, as far as they go; our own id: nobody knows."""
    tickets: tuple[Ticket, ...] = ()
    """What an earlier run's sessions are resumed with, oldest first."""
    relay: bool
    """We carry for others."""
    lan: bool = False
    """We look for members on the same link, and let them find us."""
    max_mbit: int = 0
    """Mbit a second that we carry for all of them together; 0: no limit."""
    punch: PunchConfig
    stun: StunConfig = StunConfig()
    ciphers: tuple[str, ...]
    """What this CPU seals well, in the fixed order."""
    offloads: int
    """What our device takes: 1 TCP super-packets, 2 UDP super-packets, 4 checksum offload."""
    port: int
    dev: str | None
    mtu: int
    version: str
    debug_keys: bool = False
    """Tell every key in KeysMade: a person debugs."""
