"""What happens to a member's own machine: it is stopped for a while, its disk is full or torn, its state is copied."""

from __future__ import annotations

import random
import shutil
import signal
import time

from overlay.lab import Lab, LabNode
from overlay.lab.node import Json
from tests.kit.mesh import mesh, pings
from tools.bench.mesh.gaps import silence
from tools.bench.mesh.scenes import home, joined

ASLEEP = 15.0
"""Seconds: longer than a dead path, a new handshake and silence are noticed in."""
FILL = 'mount -t tmpfs -o size=64k tmpfs "$0" && cp -a "$0".kept/. "$0" && (dd if=/dev/zero of="$0"/full bs=1k || :); '


class OnAFullDisk(LabNode):
    """A node whose state folder, kept in STATE.kept, lies on a tiny disk that is full."""

    def argv(self) -> list[str]:
        return ["unshare", "-m", "sh", "-c", FILL + 'exec "$@"', str(self.state_dir), *super().argv()]


def test_stopped_for_a_while_and_continued_it_is_back_at_once() -> None:
    with mesh("direct", meet="anna") as (lab, nodes):
        process, to = nodes["ben"].process, nodes["ben"].address()
        assert process is not None
        lab.spawn("anna", ["ping", "-q", "-i", "0.2", to])
        process.send(signal.SIGSTOP)
        time.sleep(ASLEEP)
        process.send(signal.SIGCONT)
        assert pings(lab, "anna", to, "-w", "5")
        assert pings(lab, "ben", nodes["anna"].address(), "-w", "5")
        nodes["anna"].wait_peer("ben", kind="direct")
        assert process.running


def test_a_relay_that_is_stopped_is_no_relay() -> None:
    with Lab("two-relays") as lab:
        nodes = joined(lab, ("vps", "spare"))

        def fault() -> None:
            peer = nodes["anna"].peer("ben")
            assert peer is not None
            process = nodes[peer["path"]["via"][0]].process
            assert process is not None
            process.send(signal.SIGSTOP)

        assert silence(lab, nodes, fault, after=7.0) < 5.0


def test_a_full_disk_keeps_nobody_from_joining() -> None:
    with mesh("direct", meet="anna") as (lab, nodes):
        ben, before = nodes["ben"], nodes["ben"].status()["self"]["id"]
        ben.stop()
        ben.state_dir.rename(ben.state_dir.with_name(f"{ben.state_dir.name}.kept"))
        ben.state_dir.mkdir(mode=0o700)
        full = OnAFullDisk(lab, "ben", peers=ben.peers)
        process = full.up()
        full.wait_peer("anna")
        assert full.status()["self"]["id"] == before
        assert pings(lab, "ben", nodes["anna"].address())
        nodes["anna"].stop()
        nodes["anna"].up()
        full.wait_peer("anna", timeout=20)
        assert process.running
        assert "Traceback" not in full.said
        assert full.stop() == 0


def test_files_of_noise_are_set_aside_and_the_node_is_who_it_was() -> None:
    dice = random.Random(1)
    with mesh("direct", meet="anna") as (lab, nodes):
        ben, before = nodes["ben"], nodes["ben"].status()["self"]["id"]
        ben.stop()
        noisy = [path for path in ben.state_dir.rglob("*") if path.is_file() and path.name != "identity"]
        assert noisy
        for path in noisy:
            path.write_bytes(dice.randbytes(5000))
        ben.up()
        ben.wait_peer("anna")
        assert ben.status()["self"]["id"] == before
        assert "Traceback" not in ben.said
        assert pings(lab, "ben", nodes["anna"].address())


def test_the_same_state_folder_on_two_hosts_is_told_to_both() -> None:
    def told(status: Json) -> bool:
        return "duplicate_id" in [problem["code"] for problem in status["problems"]]

    with Lab(home("", "", "vps")) as lab:
        nodes = joined(lab, ("vps",))
        nodes["ben"].stop()
        nodes["anna"].stop()
        shutil.rmtree(nodes["ben"].state_dir)
        shutil.copytree(nodes["anna"].state_dir, nodes["ben"].state_dir)
        for host in ("anna", "ben"):
            nodes[host].peers = [lab.address("vps")]
            nodes[host].up()
        for host in ("anna", "ben"):
            nodes[host].wait_until("told of its double", told, timeout=10)
