"""The lab stands in well under a second and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from overlay.errors import OverlayError
from overlay.lab import Lab, scenario_names
from overlay.lab.stage import check_host
from tools.natlab import COMMAND

NETNS = Path("/run/netns")

HOLD = """
import sys, time
from overlay.lab import Lab
with Lab("two-nat") as lab:
    lab.spawn("anna", ["sleep", "600"])
    print(lab.tag, flush=True)
    time.sleep(600)
"""


def names(tag: str) -> list[str]:
    return [name for name in os.listdir(NETNS) if name.startswith(tag)] if NETNS.is_dir() else []


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_stands(name: str) -> None:
    began = time.monotonic()
    with Lab(name, userspace_nat=COMMAND) as lab:
        assert time.monotonic() - began < 1.0
        assert len(names(lab.tag)) >= len(lab.scenario.boxes())
        public = lab.scenario.boxes()[next(iter(lab.scenario.hosts))].links
        for host, box in lab.scenario.hosts.items():
            shared = box.gateway or any(segment in public for segment in box.links)
            if host != next(iter(lab.scenario.hosts)) and shared:
                segment, addresses = next((s, a) for s, a in public.items() if box.gateway or s in box.links)
                assert lab.run(host, ["ping", "-c1", "-W1", addresses[0]], check=False).returncode == 0, segment
    assert names(lab.tag) == []
    assert not lab.root.exists()


def test_a_home_router_answers_nothing_new_from_outside() -> None:
    with Lab("two-nat") as lab:
        outside = lab.address("router-a")
        assert lab.run("vps", ["ping", "-c1", "-W1", outside], check=False).returncode == 1
        lab.run("vps", ["ip", "route", "add", "192.168.1.0/24", "via", outside])
        assert lab.run("vps", ["ping", "-c1", "-W1", lab.address("anna")], check=False).returncode == 1


def test_fully_random_draws_another_port() -> None:
    listen = "import socket;s=socket.socket(2,2);s.bind(('',7000));print('ready',flush=True);print(s.recvfrom(9)[1][1])"
    talk = "import socket;s=socket.socket(2,2);s.bind(('',7001));s.sendto(b'x',('198.51.100.10',7000))"
    seen = {}
    for scenario in ("two-nat", "port-restricted"):
        with Lab(scenario) as lab:
            listener = lab.spawn("vps", [sys.executable, "-u", "-c", listen])
            listener.wait_for("ready")
            lab.run("anna", [sys.executable, "-c", talk])
            listener.wait()
            seen[scenario] = int(listener.out.split()[1])
    assert seen["port-restricted"] == 7001
    assert seen["two-nat"] != 7001


def test_a_failing_command_tells_what_it_said() -> None:
    with Lab("direct") as lab, pytest.raises(OverlayError) as caught:
        lab.run("anna", ["ip", "link", "show", "nothing"])
    assert "nothing" in caught.value.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_clean(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as held:
        assert held.stdout is not None
        tag = held.stdout.readline().decode().strip()
        assert names(tag)
        held.send_signal(number)
        held.wait(10)
    assert names(tag) == []


def test_sweep_takes_what_a_killed_owner_left() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE) as held:
        assert held.stdout is not None
        tag = held.stdout.readline().decode().strip()
        Lab.sweep()
        assert names(tag), "a living owner's namespaces stay"
        held.kill()
    left = names(tag)
    assert left
    assert set(left) <= set(Lab.sweep())
    assert names(tag) == []


def test_this_host_will_do() -> None:
    check_host()


def test_without_root_it_says_so() -> None:
    code = "from overlay.lab import Lab; Lab('direct').__enter__()"
    argv = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", sys.executable, "-c", code]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert "NotPermitted" in done.stderr
