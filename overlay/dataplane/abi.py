"""Numbers of the kernel that the movers speak: the virtio-net header and the UDP offloads.

virtio-net header, 10 bytes (linux/virtio_net.h), little endian (TUNSETVNETLE):

    0       1          2          4          6            8             10
    +-------+----------+----------+----------+------------+-------------+
    | flags | gso_type | hdr_len  | gso_size | csum_start | csum_offset |
    +-------+----------+----------+----------+------------+-------------+
"""

from __future__ import annotations

VNET = 10
"""Bytes of the header."""
NEEDS_CSUM = 1
GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 = 0, 1, 4, 5

TCP, UDP = 6, 17
TCP_CSUM, UDP_CSUM = 16, 6
"""Where the checksum stands in the transport header."""

SOL_IP, SOL_IPV6, SOL_UDP = 0, 41, 17
UDP_SEGMENT, UDP_GRO = 103, 104
IP_PKTINFO, IPV6_PKTINFO = 8, 50
"""udp(7), ip(7), ipv6(7)."""

MAX_SEGMENTS = 64
"""Datagrams of one UDP_SEGMENT send (UDP_MAX_SEGMENTS of the older kernels)."""
MAX_SEND = 65_000
"""Bytes of one UDP_SEGMENT send: below the 65,507 of one UDP datagram, whatever the IP version."""

ACCEPT_TSO, ACCEPT_USO, ACCEPT_CSUM = 1, 2, 4
"""Bits of what a TUN or a peer takes: TCP super-packets, UDP super-packets, checksums left to do."""
ACCEPT_ALL = 7
