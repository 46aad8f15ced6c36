"""A fault in the middle of a TCP stream: how long nothing arrives.

2 s of stream --> fault --> 9 s of stream; looked at every 100 ms where it arrives
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from overlay.errors import OverlayError
from overlay.lab import Lab
from overlay.lab.node import Json
from punch.sim.link import Link
from punch.sim.model import NatModel
from tools.bench.mesh.scenes import EASY, MOVING, Nodes, go_direct, home, joined, met
from tools.bench.mesh.stream import Stream, longest_silence
from tools.natlab.forget import forget
from tools.natlab.star import WAN, Network, at

BEFORE, AFTER = 2.0, 9.0
"""Seconds of stream on either side of the fault."""
BAD = Link(delay=0.002, loss=0.4)
"""A direct way that loses to any relay."""
GOOD = Link(delay=0.002)
STEADY = 2.0
"""Seconds on a relay after which a bad direct way has lost."""


def relay_killed(after: float = AFTER) -> float:
    """The relay of a stream is killed, and another is at hand."""
    with met("two-relays", publics=("vps", "spare")) as (lab, nodes):
        return silence(lab, nodes, lambda: _kill(nodes, _relay(nodes)), after=after)


def relay_killed_beside_a_direct_way(after: float = AFTER) -> float:
    """The same where a direct way, bad until just now, is the only other."""
    with Lab(home("", "", "vps")) as lab:
        network = Network(lab, GOOD)
        nodes = _joined_with_a_bad_direct_way(lab, network)

        def fault() -> None:
            relay = _relay(nodes)
            network.heal("anna", "ben")
            _kill(nodes, relay)

        return silence(lab, nodes, fault, after=after)


def direct_cut(after: float = AFTER) -> float:
    """The direct way of a stream goes dead in both directions, and a relay is at hand."""
    with Lab(home("", "", "vps")) as lab:
        network = Network(lab, GOOD)
        nodes = joined(lab, ("vps",))
        go_direct(nodes)
        return silence(lab, nodes, lambda: network.cut("anna", "ben"), after=after)


def flushed(nat: str | NatModel, after: float) -> float:
    """Both home routers lose their table under a direct stream."""
    with met(home(nat, nat)) as (lab, nodes):
        go_direct(nodes)

        def fault() -> None:
            for router in ("router-anna", "router-ben"):
                forget(lab, router)

        return silence(lab, nodes, fault, after=after)


def flushed_keeping_ports(after: float = AFTER) -> float:
    """netfilter's masquerade, which finds the same ports again."""
    return flushed(EASY, after)


def flushed_to_other_ports(after: float = AFTER) -> float:
    """A NAT that draws other ports after it."""
    return flushed(MOVING, after)


def moved(after: float = AFTER) -> float:
    """The sender's host, a public one, gets another address under a direct stream."""
    with met(home("", "")) as (lab, nodes):
        go_direct(nodes)
        return silence(lab, nodes, lambda: renumber(lab, "anna", at("anna"), WAN), after=after)


def moved_at_home(after: float = AFTER) -> float:
    """The same behind a home router, its peer behind another."""
    with met(home(EASY, EASY)) as (lab, nodes):
        go_direct(nodes)
        return silence(lab, nodes, lambda: renumber(lab, "anna", "home-anna", "router-anna"), after=after)


def renumber(lab: Lab, host: str, segment: str, gateway: str) -> None:
    """Give a host another address on its segment, in place of the one it has."""
    old, via = lab.address(host, segment), lab.address(gateway, segment)
    new = old.rpartition(".")[0] + f".{int(old.rpartition('.')[2]) + 5}"
    length = lab.scenario.prefix(segment, 4).partition("/")[2]
    batch = f"addr del {old}/{length} dev {segment}\naddr add {new}/{length} dev {segment}\n"
    lab.run(host, ["ip", "-batch", "-"], stdin=f"{batch}route replace default via {via}\n")


def _joined_with_a_bad_direct_way(lab: Lab, network: Network) -> Nodes:
    nodes = joined(lab, ("vps",))
    network.between("anna", "ben", BAD)
    wanted = Stream(lab, nodes["ben"].address(), seconds=60, b="2M")
    for host, other in (("anna", "ben"), ("ben", "anna")):
        nodes[host].wait_until("relayed for a while", partial(_relayed, other), timeout=40)
    wanted.client.stop()
    return nodes


def _relayed(peer: str, status: Json) -> bool:
    paths = [each["path"] for each in status["peers"] if each["name"] == peer]
    return any(path["kind"] == "relay" and (path["since_s"] or 0.0) > STEADY for path in paths)


def silence(lab: Lab, nodes: Nodes, fault: Callable[[], None], *, after: float = AFTER) -> float:
    """The longest silence at ben of a stream from anna in which `fault` happens.

    Raises:
        OverlayError: the stream did not live to its end.
    """
    stream = Stream(lab, nodes["ben"].address(), seconds=BEFORE + after)
    time.sleep(BEFORE)
    fault()
    return longest_silence(stream.report())


def _relay(nodes: Nodes) -> str:
    """By whom anna sends to ben.

    Raises:
        OverlayError: by nobody.
    """
    path = (nodes["anna"].peer("ben") or {}).get("path", {})
    if not path.get("via"):
        raise OverlayError(f"anna reaches ben by no relay, but {path.get('kind')}")
    return str(path["via"][0])


def _kill(nodes: Nodes, host: str) -> None:
    process = nodes[host].process
    if process is not None:
        process.kill()
