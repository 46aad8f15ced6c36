"""What a run leaves in NAT tables and on the wire, seen from outside of whoever is measured.

anna [output: UDP not to vps, counted] -- router-a [conntrack: entries of anna, counted 5 times a second] -- ...
"""

from __future__ import annotations

import re

import msgspec

from overlay.lab import Lab, Process
from overlay.lab.entries import Entries

HOSTS = ("anna", "ben")

_COUNT = """while :; do
awk -v src=src=%s '$3 == "udp" && $0 ~ src" " {n++} END {print n + 0}' /proc/net/nf_conntrack
sleep 0.2
done"""
"""Lines of /proc/net/nf_conntrack: `ipv4 2 udp 17 TIMEOUT src=ADDRESS dst=...`; replies come from no inside address."""


class Watch:
    """Counters of one run; made before anybody starts."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._tables: dict[str, Process] = {}
        for host in HOSTS:
            box = lab.scenario.hosts[host]
            _count_leaving(lab, host, next(iter(box.links)), _relays(lab))
            router = lab.scenario.routers.get(box.gateway)
            if router is not None and router.nat != "none":
                self._tables[host] = lab.spawn(box.gateway, ["sh", "-c", _COUNT % lab.address(host)])

    def entries(self) -> tuple[int, int]:
        """The most UDP entries alive at once because of anna and of ben, each in the NAT before it."""
        return self._entries("anna"), self._entries("ben")

    def _entries(self, host: str) -> int:
        if host in self._tables:
            return max((int(line) for line in self._tables[host].out.split()), default=0)
        counters = self._lab.counters(self._lab.scenario.hosts[host].gateway)
        if not counters.exists():
            return 0
        kept = msgspec.json.decode(counters.read_bytes(), type=Entries)
        return kept.peak_by_inside.get(self._lab.address(host), 0)

    def datagrams(self) -> int:
        """UDP datagrams that anna and ben sent to others than the public hosts."""
        return sum(_counted(self._lab, host) for host in HOSTS)


def vps_bytes(lab: Lab) -> int:
    """Bytes that came in to vps from the internet segment so far."""
    namespace = ["cat", "/sys/class/net/internet/statistics/rx_bytes"]
    return int(lab.run("vps", namespace).stdout)


def first_reply(ping: Process) -> float | None:
    """Wall time of the first answer of a `ping -D`, once there is one."""
    found = re.search(r"^\[(\d+\.\d+)\] \d+ bytes from", ping.out, re.MULTILINE)
    return float(found[1]) if found else None


def unanswered(ping: Process) -> int:
    """Pings without an answer before the last that had one: those still on their way at the end do not count."""
    answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", ping.out)}
    return max(answered, default=0) - len(answered)


def _relays(lab: Lab) -> str:
    """Addresses of the public hosts, as nft has a set."""
    public = [lab.address(name, "internet") for name in lab.scenario.hosts if name not in HOSTS]
    return "{ " + ", ".join(public) + " }"


def _count_leaving(lab: Lab, host: str, device: str, relays: str) -> None:
    rules = (
        "table inet bench { chain leaving { type filter hook output priority filter;"
        f' oifname "{device}" ip daddr != {relays} meta l4proto udp counter\n}}\n}}\n'
    )
    lab.run(host, ["nft", "-f", "-"], stdin=rules)


def _counted(lab: Lab, host: str) -> int:
    said = lab.run(host, ["nft", "list", "chain", "inet", "bench", "leaving"]).stdout
    found = re.search(r"counter packets (\d+)", said)
    return int(found[1]) if found else 0
