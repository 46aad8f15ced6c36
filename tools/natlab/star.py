"""Hosts far from each other: a scenario whose hosts or home routers all hang on one router, which is the internet.

    vps ---- [at-vps] ---- wan ---- [at-anna] ---- anna
                            |
                        [at-ben] ---- router-ben ---- [home-ben] ---- ben         {"vps": "", "anna": "", "ben": nat}

`Network` puts tools.natlab.wan on that router, and cuts, heals and spoils the ways between places while things run.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from overlay.lab import Lab, Process
from overlay.lab.scenario import Host, Links, Router, Scenario, Segment
from punch.sim.link import Link
from punch.sim.model import NatModel
from tools.natlab.wide import Plan, Way

WAN = "wan"
DEVICE = "wan0"
TABLE = 200
"""The routing table of what comes from the places."""
QUEUE = 20_000
"""Packets that wait for the program at most, about as many as a second of 200 Mbit/s."""
PLACES = [
    place
    for prefix in ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24")
    for place in ipaddress.ip_network(prefix).subnets(new_prefix=28)
]
"""Documentation ranges stand for the internet (protocol section 5)."""
PLAIN = Link(delay=0.0)
"""No delay, no loss, an MTU of 1,500."""

_ROOT = Path(__file__).resolve().parents[2]


def star(homes: Mapping[str, str | NatModel | Router], *, title: str = "Far from each other.") -> Scenario:
    """A scenario of these hosts: "" is a public one; else what its home router is: netfilter's words, or a model.

    Raises:
        ValueError: there are more hosts than places.
    """
    if len(homes) > len(PLACES):
        raise ValueError(f"at most {len(PLACES)} hosts")
    segments = {"void": Segment(ipv4="100.100.0.0/24")}
    hosts: dict[str, Host] = {}
    routers: dict[str, Router] = {}
    core: Links = {"void": ("100.100.0.1",)}
    for number, ((name, home), place) in enumerate(zip(homes.items(), PLACES, strict=False)):
        segments[at(name)] = Segment(ipv4=str(place))
        core[at(name)] = (str(place[1]),)
        if home == "":
            hosts[name] = Host(links={at(name): (str(place[2]),)}, gateway=WAN)
            continue
        inside = f"192.168.{number + 1}"
        segments[f"home-{name}"] = Segment(ipv4=f"{inside}.0/24")
        hosts[name] = Host(links={f"home-{name}": (f"{inside}.2",)}, gateway=f"router-{name}")
        routers[f"router-{name}"] = _home(name, home, str(place[2]), f"{inside}.1")
    routers[WAN] = Router(links=core, outside="void")
    return Scenario(title=title, segments=segments, hosts=hosts, routers=routers)


def at(name: str) -> str:
    """The segment between the internet and host `name` or its router."""
    return f"at-{name}"


def _home(name: str, home: str | NatModel | Router, outside: str, inside: str) -> Router:
    links: Links = {at(name): (outside,), f"home-{name}": (inside,)}
    if isinstance(home, Router):
        return msgspec.structs.replace(home, links=links, outside=at(name), gateway=WAN)
    if isinstance(home, NatModel):
        return Router(links=links, outside=at(name), gateway=WAN, userspace=home)
    return Router(links=links, outside=at(name), gateway=WAN, nat=home)  # type: ignore[arg-type]


class Network:
    """What lies between the places of a star, while its lab stands."""

    def __init__(self, lab: Lab, link: Link = PLAIN, *, packets: int = 0, seed: int | str = 1) -> None:
        """`link` is what every direction of every pair of places is like; `packets`: see Way.

        Raises:
            OverlayError: the program did not start.
        """
        self._lab = lab
        self._ways: dict[tuple[str, str], Way] = {("", ""): Way(link=link, packets=packets)}
        self._seed = str(seed)
        self._socket = lab.folder(WAN) / "wan.sock"
        self.process = self._start()

    def _start(self) -> Process:
        lab = self._lab
        places = [segment for segment in lab.scenario.routers[WAN].links if segment != "void"]
        shell = "nft delete table inet lab\n" + "".join(
            f"echo 0 > /proc/sys/net/ipv4/conf/{each}/rp_filter\n" for each in ("all", "default", *places)
        )
        batch = f"tuntap add name {DEVICE} mode tun\nlink set {DEVICE} txqueuelen {QUEUE} up\n"
        batch += f"route add default dev {DEVICE} table {TABLE}\n"
        batch += "".join(f"rule add iif {each} lookup {TABLE}\n" for each in places)
        lab.run(WAN, ["sh", "-eu", "-s"], stdin=f"{shell}ip -batch - <<'END'\n{batch}END\n")
        told = lab.folder(WAN) / "plan.json"
        told.write_bytes(msgspec.json.encode(self._plan()))
        argv = [sys.executable, "-m", "tools.natlab.wan", DEVICE, str(told), str(self._socket)]
        process = lab.spawn(WAN, argv, env={"PYTHONPATH": str(_ROOT)})
        process.wait_for("ready")
        return process

    def between(self, one: str, other: str, link: Link, *, packets: int = 0) -> None:
        """Both directions between two hosts are like `link` from now on."""
        self._ways |= {pair: self._way(*pair, link, packets) for pair in ((one, other), (other, one))}
        self._tell()

    def towards(self, source: str, to: str, link: Link, *, packets: int = 0) -> None:
        """One direction is like `link` from now on."""
        self._ways[source, to] = self._way(source, to, link, packets)
        self._tell()

    def cut(self, one: str, other: str) -> None:
        """Nothing passes between two hosts any more."""
        self._cut((one, other), (other, one))

    def deafen(self, source: str, to: str) -> None:
        """Nothing passes from `source` to `to`, while the other direction does."""
        self._cut((source, to))

    def heal(self, one: str, other: str) -> None:
        """Two hosts have again what all have."""
        self._ways.pop((one, other), None)
        self._ways.pop((other, one), None)
        self._tell()

    def counts(self) -> dict[str, dict[str, int]]:
        """`place>place` -> word -> packets, of a Wide."""
        return self._exchange(b"")

    def counted(self, source: str, to: str) -> dict[str, int]:
        """The counters of one direction between two hosts."""
        return self.counts().get(f"{self._place(source)}>{self._place(to)}", {})

    def _cut(self, *pairs: tuple[str, str]) -> None:
        for source, to in pairs:
            before = self._ways.get((source, to), self._ways["", ""])
            cut = msgspec.structs.replace(before, source=self._place(source), to=self._place(to), cut=True)
            self._ways[source, to] = cut
        self._tell()

    def _way(self, source: str, to: str, link: Link, packets: int) -> Way:
        return Way(link=link, source=self._place(source), to=self._place(to), packets=packets)

    def _place(self, host: str) -> str:
        return self._lab.scenario.prefix(at(host), 4)

    def _plan(self) -> Plan:
        places = tuple(segment.ipv4 for name, segment in self._lab.scenario.segments.items() if name.startswith(at("")))
        return Plan(places=places, ways=tuple(self._ways.values()), seed=self._seed)

    def _tell(self) -> None:
        self._exchange(msgspec.json.encode(self._plan()))

    def _exchange(self, line: bytes) -> dict[str, dict[str, int]]:
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rwb") as lines:
            client.settimeout(5.0)
            client.connect(os.fspath(self._socket))
            lines.write(line + b"\n")
            lines.flush()
            answer: dict[str, dict[str, int]] = json.loads(lines.readline())
        return answer
