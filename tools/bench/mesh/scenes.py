"""Hosts and nodes that the rows start from: some that all can dial, and anna and ben who are measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from overlay.errors import OverlayError
from overlay.lab import Lab, LabNode
from overlay.lab.scenario import Scenario
from punch.sim.model import NatModel
from tools.natlab import COMMAND
from tools.natlab.star import star

Nodes = dict[str, LabNode]

HARD = "masquerade fully-random"
"""Two of these never get direct."""
EASY = "masquerade"
MOVING = NatModel(allocator="uniform")
"""A NAT3 whose ports are others after it forgot its table."""


@contextmanager
def met(scenario: Scenario | str, *, publics: Sequence[str] = ("vps",), seed: int = 1) -> Iterator[tuple[Lab, Nodes]]:
    """All hosts joined, all dialling the first of `publics`, and all seeing each other."""
    with Lab(scenario, userspace_nat=COMMAND, seed=seed) as lab:
        nodes = joined(lab, publics)
        yield lab, nodes


def home(anna: str | NatModel, ben: str | NatModel, *publics: str) -> Scenario:
    """A star of public hosts, and anna and ben behind what is said."""
    return star({**dict.fromkeys(publics or ("vps",), ""), "anna": anna, "ben": ben})


def joined(lab: Lab, publics: Sequence[str]) -> Nodes:
    """Every host of a lab as a member, up and seeing all others.

    Raises:
        OverlayError: somebody did not get there.
    """
    first, nodes = publics[0], Nodes()
    for host in [*publics, *(name for name in lab.scenario.hosts if name not in publics)]:
        nodes[host] = LabNode(lab, host, peers=() if host == first else (_seen_from(lab, host, first),))
        nodes[host].start()
    for node in nodes.values():
        node.wait_up()
    for host, node in nodes.items():
        for other in nodes:
            if other != host:
                node.wait_peer(other, timeout=20)
    return nodes


def _seen_from(lab: Lab, host: str, to: str) -> str:
    """The address of `to` that `host` can dial."""
    shared = [segment for segment in lab.scenario.hosts[host].links if segment in lab.scenario.hosts[to].links]
    return lab.address(to, *shared[:1])


def go_direct(nodes: Nodes, *, timeout: float = 60.0) -> None:
    """Want the path between anna and ben until it is direct on both sides.

    Raises:
        OverlayError: it is not, in time.
    """
    done = nodes["anna"].command("ping", "ben", "--until-direct", "-c", "60", timeout=timeout)
    if done.returncode:
        raise OverlayError(f"anna and ben did not get direct: {done.stdout[-200:]}{done.stderr}")
    nodes["ben"].wait_peer("anna", kind="direct", timeout=timeout)
