"""This host's addresses, and the bell that they changed.

The kernel rings over a netlink socket (rtnetlink(7)); what changed is asked of `ip -j -d address` (-d: with aliases).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import Any

RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x40, 0x100
"""rtnetlink(7), linux/rtnetlink.h."""
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


def silence_bell(bell: socket.socket) -> None:
    """Read away what rang; an overrun (ENOBUFS) means as much as a message."""
    for _ in range(1000):
        try:
            if not bell.recv(65536):
                return
        except BlockingIOError:
            return
        except OSError:
            continue


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
