"""What can be wrong on the host: each a clear message with the right exit code, or a problem shown."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time

import pytest

from overlay.lab import Lab, LabNode, Process
from tests.kit.mesh import mesh, pings, problems

BIND = """
import socket, sys, time
holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
holder.bind(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
time.sleep(99)
"""


def hold_port(lab: Lab, host: str, port: int) -> Process:
    process = lab.spawn(host, [sys.executable, "-c", BIND, str(port)])
    process.wait_for("ready")
    return process


def fails(lab: Lab, node: LabNode, *before: str) -> tuple[int, str]:
    """Exit code and stderr of a join that ends at once; `before` are words in front of the command."""
    argv = [word for word in node.argv() if word != "--json"]
    done = lab.run(node.host, [*before, *argv], check=False, timeout=15, env={"OVERLAY_SECRET": node.secret})
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("taken", [27182, 27183])
def test_a_default_port_in_use_gives_way(taken: int) -> None:
    with Lab("direct") as lab:
        hold_port(lab, "anna", taken)
        anna = LabNode(lab, "anna")
        anna.up()
        port = anna.status()["self"]["port"]
        assert taken not in (port, port + 1)
        ben = LabNode(lab, "ben", peers=(f"{lab.address('anna')}:{port}",))
        ben.up()
        ben.wait_peer("anna")


@pytest.mark.parametrize("taken", [4000, 4001])
def test_a_port_asked_for_and_in_use_is_exit_1(taken: int) -> None:
    with Lab("direct") as lab:
        hold_port(lab, "anna", taken)
        code, told = fails(lab, LabNode(lab, "anna", options=("--port", "4000")))
        assert code == 1
        assert str(taken) in told


def test_a_device_name_in_use() -> None:
    with Lab("direct") as lab:
        lab.run("anna", ["ip", "link", "add", "overlay0", "type", "bridge"])
        anna = LabNode(lab, "anna")
        anna.up()
        assert anna.status()["self"]["dev"] not in ("overlay0", None)
        anna.stop()
        code, told = fails(lab, LabNode(lab, "anna", options=("--dev", "overlay0")))
        assert code == 1
        assert "overlay0" in told


def test_no_tun_device_names_the_cause() -> None:
    with Lab("direct") as lab:
        empty = lab.folder("anna") / "no-devices"
        empty.mkdir()
        hide = f'mount --bind {empty} /dev/net && exec "$@"'
        code, told = fails(lab, LabNode(lab, "anna"), "unshare", "-m", "sh", "-c", hide, "sh")
        assert code == 1
        assert "/dev/net/tun" in told


def test_without_permission_it_names_the_command_that_grants_it() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna")
        home = lab.folder("anna") / "home"
        home.mkdir()
        os.chown(home, 65534, 65534)
        anna.state_dir, anna.socket = home / "state", home / "node.sock"
        drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
        code, told = fails(lab, anna, *drop)
        assert code == 5
        assert "sudo" in told


def test_another_users_node_is_no_permission_not_absent() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna")
        anna.up()
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
        argv = [*drop, *anna.argv()[:1], "status", "--socket", str(anna.socket)]
        assert lab.run("anna", argv, check=False).returncode == 5


def test_a_read_only_state_folder_is_said() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna")
        anna.state_dir.mkdir()
        freeze = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        code, told = fails(lab, anna, "unshare", "-m", "sh", "-c", freeze, str(anna.state_dir))
        assert code == 1
        assert str(anna.state_dir) in told


def test_a_state_folder_of_somebody_else_is_said() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna")
        anna.state_dir.mkdir()
        os.chown(anna.state_dir, 65534, 65534)
        code, told = fails(lab, anna)
        assert code in (1, 5)
        assert str(anna.state_dir) in told


def test_what_a_node_keeps_is_its_own() -> None:
    with mesh("direct", meet="anna") as (_, nodes):
        state = nodes["ben"].state_dir
        files = [path for path in state.rglob("*") if path.is_file()]
        assert files
        for path in files:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE(nodes["ben"].socket.stat().st_mode) == 0o600


def test_torn_files_are_set_aside_and_the_node_starts() -> None:
    with mesh("direct", meet="anna") as (lab, nodes):
        ben = nodes["ben"]
        ben.stop()
        identity = [path for path in ben.state_dir.iterdir() if len(path.read_bytes()) == 32]
        torn = [path for path in ben.state_dir.iterdir() if path.is_file() and path not in identity]
        assert torn
        for path in torn:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        ben.up()
        ben.wait_peer("anna")
        assert pings(lab, "ben", nodes["anna"].address())


def test_a_torn_identity_is_never_silently_a_new_one() -> None:
    with mesh("direct", meet="anna") as (lab, nodes):
        ben = nodes["ben"]
        ben.stop()
        for path in ben.state_dir.iterdir():
            if path.is_file():
                path.write_bytes(path.read_bytes()[:-5])
        done = lab.spawn("ben", ben.argv(), env={"OVERLAY_SECRET": ben.secret})
        done.wait_for("identity", timeout=10)


def test_a_socket_left_by_a_dead_node_is_no_hindrance() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna")
        anna.up().kill()
        assert anna.socket.exists()
        assert anna.command("status").returncode == 3
        anna.up()
        assert anna.command("status").returncode == 0


def test_a_prefix_in_use_on_the_host_is_a_problem_shown() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna")
        anna.up()
        prefix = ".".join(anna.address().split(".")[:2])
        anna.stop()
        lab.run("anna", ["ip", "link", "add", "office", "type", "bridge"])
        batch = f"link set office up\naddr add {prefix}.9.9/24 dev office\n"
        lab.run("anna", ["ip", "-batch", "-"], stdin=batch)
        anna.up()
        anna.wait_until("told", lambda status: "subnet_conflict" in [each["code"] for each in status["problems"]])
        assert "office" in lab.run("anna", ["ip", "-br", "addr"]).stdout


def test_a_host_without_ipv6_gets_on_with_ipv4() -> None:
    with Lab("two-nat") as lab:
        for host in lab.scenario.hosts:
            lab.run(host, ["sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > $f; done"])
        vps = LabNode(lab, "vps")
        anna = LabNode(lab, "anna", peers=(lab.address("vps"),))
        vps.up()
        anna.up()
        anna.wait_peer("vps", kind="direct")
        assert pings(lab, "anna", vps.address())


def test_detached_it_is_up_when_the_command_returns() -> None:
    with Lab("direct") as lab:
        anna = LabNode(lab, "anna", options=("--detach",))
        lab.run("anna", anna.argv(), env={"OVERLAY_SECRET": anna.secret}, timeout=15)
        assert anna.status()["self"]["ipv4"]
        assert (anna.state_dir / "log").exists()
        assert anna.command("leave").returncode == 0


def test_a_hundred_lines_of_garbage_on_the_control_socket_do_no_harm() -> None:
    import socket as sockets

    with Lab("direct") as lab:
        anna = LabNode(lab, "anna")
        anna.up()
        for number in range(100):
            with sockets.socket(sockets.AF_UNIX) as client:
                client.connect(str(anna.socket))
                client.sendall(b'{"do": [' * number + b"\n")
        assert anna.status()["self"]["name"] == "anna"


def test_the_network_changes_and_the_node_follows() -> None:
    with mesh("two-nat", meet="vps") as (lab, nodes):
        lab.run(
            "anna",
            ["ip", "-batch", "-"],
            stdin=(
                "addr del 192.168.1.2/24 dev home-a\naddr add 192.168.1.77/24 dev home-a\n"
                "route replace 0.0.0.0/0 via 192.168.1.1\n"
            ),
        )
        time.sleep(0.5)
        assert pings(lab, "anna", nodes["ben"].address(), "-w", "12")
        assert "wrong_secret" not in problems(nodes["anna"])


def test_nothing_is_left_on_the_host() -> None:
    with Lab("direct") as lab:
        before = lab.run("anna", ["sh", "-c", "ip -br addr; ip route; ip -6 route; nft list ruleset"]).stdout
        anna = LabNode(lab, "anna")
        anna.up()
        assert anna.stop() == 0
        after = lab.run("anna", ["sh", "-c", "ip -br addr; ip route; ip -6 route; nft list ruleset"]).stdout
        assert before == after
        shutil.rmtree(anna.state_dir)
