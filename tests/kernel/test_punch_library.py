"""The engine alone, `python -m punch detect` and `knock`, behind real NATs; and coturn's client at our node."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from overlay.lab import Lab, LabNode
from overlay.lab.scenario import Scenario
from tools.bench.punch.figures import OUTSIDE, STUN_PORT, scene

ROOT = Path(__file__).resolve().parents[2]
PUNCH = [sys.executable, "-m", "punch"]
SERVER = ["--server", f"{OUTSIDE[0]}:{STUN_PORT}"]
NAT3, NAT4 = "masquerade", "masquerade fully-random"


def pair(anna: str, ben: str) -> Scenario:
    """Two homes, each behind a NAT of netfilter, and a public host with two addresses."""
    both = scene(anna)
    ours = structs.replace(both.routers["router-ben"], nat=ben)
    return structs.replace(both, routers={**both.routers, "router-ben": ours})


@contextlib.contextmanager
def served(scenario: Scenario) -> Iterator[Lab]:
    """The scene with an RFC 5780 server at vps."""
    with Lab(scenario) as lab:
        argv = [sys.executable, "-m", "tools.bench.punch.slow", *OUTSIDE, str(STUN_PORT), "0"]
        lab.spawn("vps", argv, env={"PYTHONPATH": str(ROOT)}).wait_for("ready")
        yield lab


@pytest.mark.parametrize(
    ("nat", "kind", "mapping", "allocation"),
    [(NAT3, "NAT3", "eim", "preserving"), (NAT4, "NAT4", "apdm", "uniform"), ("none", "open", None, None)],
)
def test_detect_reads_the_kernels_nats(nat: str, kind: str, mapping: str | None, allocation: str | None) -> None:
    with served(pair(nat, nat)) as lab:
        told = json.loads(lab.run("anna", [*PUNCH, "detect", *SERVER, "--json"]).stdout)
        assert told["words"].startswith("public address" if kind == "open" else kind)
        if mapping is not None:
            profile = told["profile"]
            assert (profile["mapping"], profile["filtering"], profile["allocation"]) == (mapping, "apdf", allocation)
            assert told["endpoints"][0]["host"] == "198.51.100.21"


class Knocker:
    """One side of a knock, with pipes."""

    def __init__(self, lab: Lab, host: str, *options: str) -> None:
        argv = lab.inside(host, [*PUNCH, "knock", *SERVER, *options])
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1)
        self.said: list[dict[str, Any]] = []
        self.complained = ""

    def carry(self, other: Knocker) -> None:
        """Carry every line to the other side."""
        assert self.process.stdout is not None
        assert other.process.stdin is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            with contextlib.suppress(OSError):
                other.process.stdin.write(line)
                other.process.stdin.flush()


def knocked(anna: Knocker, ben: Knocker) -> tuple[int, int]:
    """Both exit codes."""
    carriers = [threading.Thread(target=one.carry, args=(two,)) for one, two in ((anna, ben), (ben, anna))]
    for carrier in carriers:
        carrier.start()
    codes = anna.process.wait(timeout=90), ben.process.wait(timeout=90)
    for carrier in carriers:
        carrier.join(timeout=10)
    for side in (anna, ben):
        side.complained = side.process.communicate()[1]
    return codes


@pytest.mark.parametrize("nat", [NAT3, pytest.param(NAT4, marks=pytest.mark.slow)])
def test_two_hosts_that_exchange_lines_get_a_hole(nat: str) -> None:
    with served(pair(NAT3, nat)) as lab:
        anna, ben = Knocker(lab, "anna", "--secret", "marsh"), Knocker(lab, "ben", "--secret", "marsh")
        assert knocked(anna, ben) == (0, 0)
        ours, theirs = anna.said[-1], ben.said[-1]
        assert ours["hole"].startswith("198.51.100.22:")
        assert theirs["hole"].startswith("198.51.100.21:")
        if nat == NAT3:
            assert ours["hole"] == f"198.51.100.22:{theirs['port']}"
            assert theirs["hole"] == f"198.51.100.21:{ours['port']}"
        assert not any("marsh" in json.dumps(line) for line in (*anna.said, *ben.said))


def test_another_secret_opens_nothing() -> None:
    with served(pair(NAT3, NAT3)) as lab:
        wait = ("--timeout", "4")
        codes = knocked(
            Knocker(lab, "anna", "--secret", "marsh", *wait), Knocker(lab, "ben", "--secret", "moor", *wait)
        )
        assert codes == (1, 1)


def test_two_random_nats_are_told_that_it_cannot_be() -> None:
    with served(pair(NAT4, NAT4)) as lab:
        anna, ben = Knocker(lab, "anna"), Knocker(lab, "ben")
        assert knocked(anna, ben) == (1, 1)
        assert not any("hole" in line for line in (*anna.said, *ben.said))
        assert "cannot" in anna.complained or "can be predicted" in anna.complained


@pytest.mark.skipif(
    shutil.which("turnutils_natdiscovery") is None, reason="turnutils_natdiscovery (Debian: coturn) is not installed"
)
@pytest.mark.parametrize(
    ("nat", "mapping"), [(NAT3, "Endpoint Independent Mapping"), (NAT4, "Address and Port Dependent Mapping")]
)
def test_coturns_client_reads_its_nat_at_our_node(nat: str, mapping: str) -> None:
    with Lab(scene(nat)) as lab:
        node = LabNode(lab, "vps")
        node.up()
        port = node.status()["self"]["port"]
        argv = ["turnutils_natdiscovery", "-m", "-f", "-p", str(port), OUTSIDE[0]]
        said = lab.run("anna", argv, timeout=30).stdout
        assert f"NAT with {mapping}!" in said
        assert "NAT with Address and Port Dependent Filtering!" in said
        assert f"Other addr: : {OUTSIDE[1]}:{port + 1}" in said
