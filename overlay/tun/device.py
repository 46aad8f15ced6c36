"""What a TUN device is: records in and out, addresses, an end.

record  | virtio-net header 10 | IP packet |      (see `dataplane.abi`)
"""

from __future__ import annotations

from typing import Protocol

from overlay.dataplane.edges import Tun

DEFAULT_NAME = "overlay0"
"""Or overlay1, overlay2 .. where it is taken."""
GSO_MAX = 61_440
"""Bytes of a super-packet at most, so that one always fits an envelope and a UDP GSO call (design section 2)."""
PREFIX4, PREFIX6 = 16, 48
"""Bits of a network's prefixes: 10.B.0.0/16, fd + 40 bits (protocol section 1)."""


class Device(Tun, Protocol):
    """A TUN device, opened."""

    name: str
    mtu: int

    def configure(self, ipv4: str, ipv6: str, prefix4: int = PREFIX4, prefix6: int = PREFIX6) -> None:
        """Give it these addresses, replacing earlier ones; an empty one is none.

        Raises:
            OverlayError: an address or its prefix is in use on this host (`subnet_conflict`), or the kernel refused.
        """

    def close(self) -> None:
        """The device goes, with its addresses and routes."""
