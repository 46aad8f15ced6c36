"""Off means not one packet of the engine's on the wire, from the start or in the middle of a search."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msgspec import structs

from overlay.lab import Lab
from tools.bench.punch.ours import Nodes, joined, sent
from tools.bench.punch.rows import ROWS, Row
from tools.bench.punch.watch import HOSTS
from tools.natlab import COMMAND

UNIFORM = next(row for row in ROWS if row.name == "uniform")
COUNTER = """table inet wire { chain leaving { type filter hook output priority filter;
 oifname "%s" ip daddr != { %s } meta l4proto udp @th,64,8 { 8, 9 } counter comment "probes"
 oifname "%s" meta l4proto udp @th,64,16 1 counter comment "binding requests"
}
}
"""
"""First bytes of probes and their answers (protocol section 2), type of a binding request (RFC 8489 section 5)."""


def count(lab: Lab) -> None:
    """Count what the engines of anna and ben put on the wire; probes to public hosts are of another kind of pair."""
    public = ", ".join(lab.address(name, "internet") for name in lab.scenario.hosts if name not in HOSTS)
    for host in HOSTS:
        device = next(iter(lab.scenario.hosts[host].links))
        lab.run(host, ["nft", "-f", "-"], stdin=COUNTER % (device, public, device))


def counted(lab: Lab, host: str) -> dict[str, int]:
    """Datagrams by kind so far."""
    said = lab.run(host, ["nft", "list", "table", "inet", "wire"]).stdout
    return {
        what: int(number) for number, what in re.findall(r'counter packets (\d+) bytes \d+ comment "([^"]+)"', said)
    }


@contextmanager
def scene(row: Row) -> Iterator[tuple[Lab, Nodes]]:
    with Lab(row.scenario, userspace_nat=COMMAND, seed=3) as lab:
        count(lab)
        with joined(lab, row) as nodes:
            yield lab, nodes


def pinged(lab: Lab, nodes: Nodes) -> bool:
    return lab.run("anna", ["ping", "-c", "20", "-i", "0.1", nodes["ben"].address()], check=False).returncode == 0


def test_off_from_the_start_sends_neither_probe_nor_measurement() -> None:
    with scene(structs.replace(UNIFORM, options=("--punch", "off"))) as (lab, nodes):
        assert pinged(lab, nodes)
        for host, other in zip(HOSTS, reversed(HOSTS), strict=True):
            assert counted(lab, host) == {"probes": 0, "binding requests": 0}
            assert sent(nodes[host]) == 0
            shown = nodes[host].peer(other)
            assert shown is not None
            assert (shown["path"]["kind"], shown["punch"]["state"]) == ("relay", "off")


def test_off_for_this_kind_of_pair_measures_and_sends_no_probe() -> None:
    with scene(structs.replace(UNIFORM, options=("--nat3-nat4", "off"))) as (lab, nodes):
        assert pinged(lab, nodes)
        assert [counted(lab, host)["probes"] for host in HOSTS] == [0, 0]
        assert any(counted(lab, host)["binding requests"] > 0 for host in HOSTS)


@pytest.mark.slow
def test_off_in_the_middle_of_a_search_ends_it_at_once_and_on_takes_it_up_again() -> None:
    with scene(UNIFORM) as (lab, nodes):
        time.sleep(1.0)
        ping = lab.spawn("anna", ["ping", "-i", "0.1", nodes["ben"].address()])
        before = sum(sent(nodes[host]) for host in HOSTS)
        nodes["anna"].wait_until("searching", lambda status: status["punch"]["probes_sent"] > before // 2 + 20)
        assert nodes["anna"].command("punch", "off").returncode == 0
        stopped = sent(nodes["anna"]), counted(lab, "anna")
        time.sleep(1.0)
        assert (sent(nodes["anna"]), counted(lab, "anna")) == stopped
        settled = counted(lab, "ben")
        time.sleep(1.0)
        assert counted(lab, "ben") == settled
        assert ping.running
        if nodes["anna"].peer("ben")["path"]["kind"] == "relay":  # type: ignore[index]
            assert nodes["anna"].command("punch", "on").returncode == 0
            nodes["anna"].wait_peer("ben", kind="direct", timeout=45)
