"""This host's addresses, and the bell that they changed.

The kernel rings over a netlink socket (rtnetlink(7)); what changed is asked of `ip -j -d address` (-d: with aliases).
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x40, 0x100
"""rtnetlink(7), linux/rtnetlink.h."""
RTM_NEWROUTE, RTM_DELROUTE = 24, 25
NLMSG_HEADER = struct.Struct("=IHHII")
"""Length with this header, type, flags, sequence, port (netlink(7))."""
ALIAS = "overlay "
"""How the link alias of an overlay device begins: its addresses are never underlay."""

Addresses = tuple[tuple[str, int, str], ...]
"""(address, prefix length, interface name)."""


def open_bell() -> socket.socket | None:
    """A non-blocking socket that becomes readable when links, addresses or IPv4 routes (the gateway) change; None
    where there is no netlink."""
    try:
        bell = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        bell.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR))
    except OSError:
        return None
    bell.setblocking(False)
    return bell


def silence_bell(bell: socket.socket) -> bool:
    """Read away what rang; whether anything that concerns us did. An overrun (ENOBUFS) means as much as a message."""
    concerns = False
    for _ in range(1000):
        try:
            heard = bell.recv(65536)
        except BlockingIOError:
            break
        except OSError:
            concerns = True
            continue
        if not heard:
            break
        concerns = concerns or any(_matters(*message) for message in _messages(heard))
    return concerns


def _messages(heard: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each netlink message (netlink(7))."""
    at = 0
    while at + NLMSG_HEADER.size <= len(heard):
        length, kind, _, _, _ = NLMSG_HEADER.unpack_from(heard, at)
        if length < NLMSG_HEADER.size:
            return
        yield kind, heard[at + NLMSG_HEADER.size : at + length]
        at += (length + 3) & ~3


def _matters(kind: int, body: bytes) -> bool:
    """Of routes only the default one says where we are (`rtm_dst_len` 0, rtnetlink(7)): others come and go all day."""
    return kind not in (RTM_NEWROUTE, RTM_DELROUTE) or body[1:2] == b"\0"


def read_addresses() -> Addresses | None:
    """Addresses of interfaces that are up, without loopback, tentative and overlay ones; None: they cannot be read.

    Blocks for some ms.
    """
    env = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["ip", "-j", "-d", "address", "show", "up"], capture_output=True, timeout=5, check=True, env=env
        )
        links = json.loads(done.stdout or b"[]")
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    found: list[tuple[str, int, str]] = []
    for link in links:
        if not str(link.get("ifalias", "")).startswith(ALIAS):
            found += [
                (str(each["local"]), int(each["prefixlen"]), str(link["ifname"]))
                for each in link.get("addr_info", ())
                if _counts(each)
            ]
    return tuple(found)


def _counts(entry: dict[str, Any]) -> bool:
    return (
        "local" in entry
        and entry.get("scope") != "host"
        and not any(entry.get(flag) for flag in ("tentative", "dadfailed", "deprecated"))
    )
