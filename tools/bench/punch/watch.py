"""What a run leaves in NAT tables and on the wire, seen from outside of whoever is measured.

anna [output: UDP not to vps, counted] -- router-a [conntrack: entries of anna, counted 5 times a second] -- ...
"""

from __future__ import annotations

import re
from pathlib import Path

from overlay.lab import Lab, Process
from overlay.lab.scenario import Router

HOSTS = ("anna", "ben")

_COUNT = """while :; do
awk -v src=src=%(source)s -v vps=dst=%(vps)s '$3 == "udp" && $6 == src && $7 != vps {n++} END {print n + 0}' \
/proc/net/nf_conntrack
sleep 0.2
done"""
"""Fields of /proc/net/nf_conntrack: ipv4 2 udp 17 TIMEOUT [STATE] src= dst= ..: UDP has no state word."""


class Watch:
    """Counters of one run; made before anybody starts."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._tables: dict[str, Process] = {}
        vps = lab.address("vps", "internet")
        for host in HOSTS:
            box = lab.scenario.hosts[host]
            _count_leaving(lab, host, next(iter(box.links)), vps)
            router = lab.scenario.routers.get(box.gateway)
            if router is not None and in_kernel(router):
                script = _COUNT % {"source": lab.address(host), "vps": vps}
                self._tables[host] = lab.spawn(box.gateway, ["sh", "-c", script])

    def entries(self) -> tuple[int, int] | None:
        """The most entries of anna and ben so far, where both NATs are the kernel's."""
        if len(self._tables) != len(HOSTS):
            return None
        return _most(self._tables["anna"].out), _most(self._tables["ben"].out)

    def datagrams(self) -> int:
        """UDP datagrams that anna and ben sent to others than vps."""
        return sum(_counted(self._lab, host) for host in HOSTS)


def in_kernel(router: Router) -> bool:
    """True where netfilter translates, False for a userspace NAT."""
    return router.nat != "none"


def vps_bytes(lab: Lab) -> int:
    """Bytes that came in to vps from the internet segment so far."""
    namespace = ["cat", "/sys/class/net/internet/statistics/rx_bytes"]
    return int(lab.run("vps", namespace).stdout)


def first_reply(ping: Process) -> float | None:
    """Wall time of the first answer of a `ping -D`, once there is one."""
    found = re.search(r"^\[(\d+\.\d+)\] \d+ bytes from", ping.out, re.MULTILINE)
    return float(found[1]) if found else None


def unanswered(ping: Process) -> int:
    """Pings without an answer, of a `ping` that ended."""
    found = re.search(r"(\d+) packets transmitted, (\d+) received", ping.out)
    return int(found[1]) - int(found[2]) if found else 0


def _count_leaving(lab: Lab, host: str, device: str, vps: str) -> None:
    rules = (
        "table inet bench { chain leaving { type filter hook output priority filter;"
        f' oifname "{device}" ip daddr != {vps} meta l4proto udp counter\n}}\n}}\n'
    )
    lab.run(host, ["nft", "-f", "-"], stdin=rules)


def _counted(lab: Lab, host: str) -> int:
    said = lab.run(host, ["nft", "list", "chain", "inet", "bench", "leaving"]).stdout
    found = re.search(r"counter packets (\d+)", said)
    return int(found[1]) if found else 0


def _most(text: str) -> int:
    return max((int(line) for line in text.split()), default=0)


def conntrack_is_readable() -> bool:
    """Whether this kernel shows its table."""
    return Path("/proc/net/nf_conntrack").exists()
