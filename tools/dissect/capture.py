"""A pcap or pcapng file -> sightings of UDP payloads."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from punch.values import udp
from tools.dissect.layers import dissect

with warnings.catch_warnings():  # scapy meets its own deprecations while it is imported
    warnings.simplefilter("ignore")
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    from scapy.error import Scapy_Exception
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.utils import PcapReader


class Sighting(Struct, frozen=True):
    """One frame on its way."""

    at: float
    """Seconds, the capture's clock."""
    source: str
    """`1.2.3.4:5` or `[::1]:5`."""
    target: str
    frame: Any
    """A layer of `layers`."""
    size: int
    """Bytes of UDP payload."""


class NotACapture(Exception):
    """The file is no pcap or pcapng file."""


def sightings(path: Path) -> Iterator[Sighting]:
    """Every UDP payload of a capture; other packets and fragments are passed over, a torn end ends it.

    Raises:
        NotACapture: the file is none.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            reader = PcapReader(file)
        except (Scapy_Exception, EOFError, struct.error) as fault:
            raise NotACapture(f"{path} is no capture: {fault}") from None
        for packet in _packets(reader):
            yield from _sightings(packet)


def _packets(reader: Any) -> Iterator[Any]:
    while True:
        try:
            packet = reader.read_packet()
        except (EOFError, Scapy_Exception, struct.error, MemoryError):
            return
        if packet is not None:
            yield packet


def _sightings(packet: Any) -> Iterator[Sighting]:
    carrier = packet.getlayer(IP) or packet.getlayer(IPv6)
    datagram = packet.getlayer(UDP)
    if carrier is None or datagram is None:
        return
    payload = datagram.original[8 : datagram.len or None]
    source, target = udp(carrier.src, datagram.sport), udp(carrier.dst, datagram.dport)
    for frame in dissect(payload, datagram.dport):
        yield Sighting(float(packet.time), str(source), str(target), frame, len(frame.original or payload))
