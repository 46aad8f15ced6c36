"""A NAT loses its table, as when a home router restarts.

python -m tools.natlab.forget     in the namespace of a router whose NAT is netfilter's

netfilter's is emptied by one message of ctnetlink (linux/netfilter/nfnetlink_conntrack.h), a userspace NAT's by SIGHUP.
"""

from __future__ import annotations

import signal
import socket
import struct
import sys
from pathlib import Path

from overlay.errors import OverlayError
from overlay.lab import Lab

NETLINK_NETFILTER = 12
IPCTNL_MSG_CT_DELETE = 1 << 8 | 2
"""Subsystem NFNL_SUBSYS_CTNETLINK (1); without a tuple it means every entry."""
REQUEST_AND_ACK = 1 | 4
HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""

_ROOT = Path(__file__).resolve().parents[2]


def forget(lab: Lab, router: str) -> None:
    """Empty the NAT of `router`.

    Raises:
        OverlayError: it has none, or the kernel refused.
    """
    if not lab.scenario.routers[router].userspace:
        argv = [sys.executable, "-m", "tools.natlab.forget"]
        lab.run(router, argv, env={"PYTHONPATH": str(_ROOT)})
        return
    told = str(lab.folder(router) / "nat.json")
    running = [process for process in lab.processes if process.argv[-1] == told and process.running]
    if not running:
        raise OverlayError(f"no NAT runs on {router}")
    running[0].send(signal.SIGHUP)


def flush() -> None:
    """Empty netfilter's table of connections in this namespace.

    Raises:
        OSError: the kernel refused.
    """
    family_version_resource = bytes(4)
    request = HEADER.pack(HEADER.size + 4, IPCTNL_MSG_CT_DELETE, REQUEST_AND_ACK, 1, 0) + family_version_resource
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        netlink.send(request)
        (error,) = struct.unpack_from("=i", netlink.recv(4096), HEADER.size)
    if error:
        raise OSError(-error, "the table was not emptied")


if __name__ == "__main__":
    flush()
