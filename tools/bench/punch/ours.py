"""One run of ours: three `overlay join`, a ping, and what both sides say."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from overlay.errors import OverlayError
from overlay.lab import Lab, LabNode, Process
from overlay.lab.node import Json
from tools.bench.punch.rows import Row
from tools.bench.punch.trial import SETTLE, Trial
from tools.bench.punch.watch import HOSTS, Watch, first_reply, unanswered
from tools.natlab import COMMAND

Nodes = dict[str, LabNode]
_POLL = 0.05


class Us:
    """`overlay join` on vps, anna and ben."""

    name = "overlay"

    def __init__(self, *, settle: float = SETTLE) -> None:
        """`settle`: seconds between both sides' joining and the first ping."""
        self._settle = settle

    @contextmanager
    def joined(self, lab: Lab, row: Row) -> Iterator[str]:
        """All three up and seeing each other."""
        with joined(lab, row) as nodes:
            yield nodes["ben"].address()

    def run(self, row: Row, seed: int) -> Trial:
        """One run of `row`; `seed`: of what is random in the scene."""
        with Lab(row.scenario, userspace_nat=COMMAND, seed=seed) as lab:
            watch = Watch(lab)
            with joined(lab, row) as nodes:
                time.sleep(self._settle)
                return _measured(lab, nodes, row, watch)


@contextmanager
def joined(lab: Lab, row: Row) -> Iterator[Nodes]:
    """The public hosts first, then anna and ben together, until both see each other."""
    peers = (lab.address("vps", "internet"),)
    nodes = {"vps": LabNode(lab, "vps")}
    nodes |= {host: LabNode(lab, host, peers=peers) for host in lab.scenario.hosts if host not in ("vps", *HOSTS)}
    for node in nodes.values():
        node.up()
    for host in HOSTS:
        nodes[host] = LabNode(lab, host, peers=peers, options=row.options)
        nodes[host].start()
    for host in HOSTS:
        nodes[host].wait_up()
    nodes["anna"].wait_peer("ben", timeout=15)
    nodes["ben"].wait_peer("anna", timeout=15)
    yield nodes


def _measured(lab: Lab, nodes: Nodes, row: Row, watch: Watch) -> Trial:
    before = sum(sent(nodes[host]) for host in HOSTS)
    ping = lab.spawn("anna", ["ping", "-n", "-D", "-i", "0.1", nodes["ben"].address()])
    began = _until(lambda: first_reply(ping), row.patience)
    seconds = _ended(nodes, row, began or time.time())
    time.sleep(0.5)
    packets = sum(sent(nodes[host]) for host in HOSTS)
    ping.send(signal.SIGINT)
    ping.wait()
    strays = {"off": packets, "infeasible": packets - before}.get(row.outcome, 0)
    return Trial(
        success=began is not None and seconds is not None and not strays,
        seconds=seconds,
        packets=packets if row.outcome == "off" else packets - before,
        in_all=packets,
        entries=watch.entries(),
        lost=unanswered(ping),
        said="" if seconds is not None else _why(nodes),
    )


def _ended(nodes: Nodes, row: Row, began: float) -> float | None:
    """Seconds until the outcome came about, or None."""
    if row.outcome == "off":
        time.sleep(row.patience)
        return 0.0
    if row.outcome == "infeasible":
        return _until(lambda: _refused(nodes, began), row.patience)
    at = _until(lambda: _direct_at(nodes), row.patience)
    return max(0.0, at - began) if at is not None else None


def _direct_at(nodes: Nodes) -> float | None:
    """Wall time at which the later of both sides went direct, once both are."""
    if not all(_peer(nodes, host)["path"]["kind"] == "direct" for host in HOSTS):
        return None
    return max(turned_direct(nodes[host].process) for host in HOSTS)


def _refused(nodes: Nodes, began: float) -> float | None:
    """Seconds from both profiles known, or the first ping if that came later, to the verdict of both sides."""
    now = time.time()
    states = [(_peer(nodes, host)["punch"]["state"], nodes[host].status()["self"]["nat"]) for host in HOSTS]
    if not all(state == "infeasible" and nat["age_s"] is not None for state, nat in states):
        return None
    known = max(now - float(nat["age_s"]) for _, nat in states)
    return max(0.0, now - max(known, began))


def turned_direct(process: Process | None) -> float:
    """Wall time of the last line in which `join --json` told of a direct path."""
    at = 0.0
    for line in process.out.splitlines() if process else ():
        said = _object(line)
        if (
            said.get("event") in ("path", "peer_up")
            and re.search(r"(:|->) direct ", str(said.get("text", "")))
            and said.get("peer") != "vps"
        ):
            at = datetime.fromisoformat(str(said["at"])).timestamp()
    return at


def sent(node: LabNode) -> int:
    """Packets of this node that drew from the budget since it started."""
    return int(node.status()["punch"]["probes_sent"])


def _peer(nodes: Nodes, host: str) -> Json:
    other = HOSTS[1 - HOSTS.index(host)]
    found = nodes[host].peer(other)
    if found is None:
        raise OverlayError(f"{host} lost {other}")
    return found


def _why(nodes: Nodes) -> str:
    return "; ".join(f"{host}: {_peer(nodes, host)['punch']['reason']}" for host in HOSTS)


def _until(found: Callable[[], float | None], patience: float) -> float | None:
    """The first value that is not None, looked for again and again."""
    until = time.monotonic() + patience
    while (value := found()) is None and time.monotonic() < until:
        time.sleep(_POLL)
    return value


def _object(line: str) -> Json:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
