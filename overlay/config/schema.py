"""The config tree: every key, its type, range, default and meaning (contract, Config)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from overlay.values import DEFAULT_PORT
from punch.config import PunchConfig, StunConfig


class NodeConfig(Struct, frozen=True, kw_only=True):
    """This device."""

    name: str = ""
    """DNS label it is shown as; empty: the host's name."""
    ip: str = ""
    """Overlay IPv4 address to hold; empty: derived from the network's name and the id."""
    port: Annotated[int, Meta(ge=1, le=65534)] = DEFAULT_PORT
    """UDP port; PORT+1 is taken too."""
    dev: str = ""
    """Device name; empty: overlay0, or the next free one."""
    mtu: Annotated[int, Meta(ge=1280, le=9000)] = 1380
    """MTU inside: 1,380 fits one datagram on a 1,500-byte path."""
    tun: bool = True
    """Make a device; without one the node still relays for others."""
    advertise: tuple[str, ...] = ()
    """ADDR at which others reach this node (a forwarded port, say)."""


class LanConfig(Struct, frozen=True, kw_only=True):
    """Peers on the same link."""

    enabled: bool = True
    """Say on the link that a member is here, and dial members who say so: no address needs to be given there."""


class RelayConfig(Struct, frozen=True, kw_only=True):
    """Carrying for others."""

    enabled: bool = True
    """Carry sealed traffic between members that cannot reach each other."""
    max_mbit: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Mbit/s carried for others at most, all together; 0: no limit."""


class Config(Struct, frozen=True, kw_only=True):
    """Everything a node is told."""

    network: str = ""
    """Name of the network, 1-64 bytes of UTF-8."""
    secret: str = ""
    """What all its members share. Better in secret_file."""
    secret_file: str = ""
    """File that holds the secret; one last newline is dropped."""
    peers: tuple[str, ...] = ()
    """ADDR of any member: HOST[:PORT] or [IPV6]:PORT."""
    lan: LanConfig = field(default_factory=LanConfig)
    punch: PunchConfig = field(default_factory=PunchConfig)
    node: NodeConfig = field(default_factory=NodeConfig)
    stun: StunConfig = field(default_factory=StunConfig)
    relay: RelayConfig = field(default_factory=RelayConfig)
