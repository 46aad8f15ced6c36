"""The engine's settings, the [punch] and [stun] tables of the config file."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Mode = Literal["auto", "always", "off"]


class PunchConfig(Struct, frozen=True, kw_only=True):
    """What the punch engine may do. Ceilings hold for all peers together."""

    enabled: bool = True
    """Search for direct paths through NATs."""
    nat3_nat4: Mode = "auto"
    """Try when exactly one side is symmetric: auto (when traffic goes by a relay), always, off."""
    nat4_nat4: Mode = "off"
    """Try when both sides are symmetric: off, auto, always."""
    max_pps: Annotated[int, Meta(ge=1, le=1000)] = 100
    """Packets a second at most; starts at 33."""
    max_entries: Annotated[int, Meta(ge=8, le=20000)] = 1000
    """NAT table entries at most."""


class StunConfig(Struct, frozen=True, kw_only=True):
    """Where the engine asks for its public endpoint, and whether it answers others."""

    servers: tuple[str, ...] = ()
    """HOST[:PORT] of RFC 5780 servers, port 3478 if none is named; members answer too."""
    serve: Literal["auto", "off"] = "auto"
    """Answer STUN requests of others."""
