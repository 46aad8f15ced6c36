"""Two hosts on one wire: addresses, ping, throughput, IPv6 inside, what `status` says, leaving."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator

import pytest

from overlay.lab import Lab
from tests.kit.contract import ERROR, STATUS, faults
from tests.kit.mesh import Nodes, mesh, pings, run_python, throughput

Pair = tuple[Lab, Nodes]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with mesh("direct", meet="anna") as joined:
        joined[1]["anna"].wait_peer("ben", kind="direct")
        joined[1]["ben"].wait_peer("anna", kind="direct")
        yield joined


def test_status_is_what_the_contract_says(pair: Pair) -> None:
    for node in pair[1].values():
        assert faults(node.status(), STATUS) == []


def test_status_names_network_members_and_the_direct_path(pair: Pair) -> None:
    status = pair[1]["anna"].status()
    assert status["network"] == {"name": "lab", "members": 2}
    assert status["self"]["name"] == "anna"
    (ben,) = status["peers"]
    assert (ben["name"], ben["state"], ben["path"]["kind"]) == ("ben", "connected", "direct")
    assert ben["path"]["hops"] == 1
    assert ben["path"]["via"] == []
    host, _, port = ben["path"]["endpoint"].rpartition(":")
    assert host in ("198.51.100.2", "[2001:db8:1::2]")
    assert int(port) == pair[1]["ben"].status()["self"]["port"]


def test_hosts_with_public_addresses_need_no_engine(pair: Pair) -> None:
    node = pair[1]["anna"]
    status = node.wait_until("measured", lambda status: status["self"]["nat"]["type"] == "open", timeout=5.0)
    assert status["punch"]["enabled"] is True
    assert status["self"]["nat"]["label"]
    assert status["peers"][0]["punch"]["state"] == "idle"


@pytest.mark.parametrize("version", [4, 6])
def test_ping_passes_inside(pair: Pair, version: int) -> None:
    lab, nodes = pair
    assert pings(lab, "anna", nodes["ben"].address(version=version))
    assert pings(lab, "ben", nodes["anna"].address(version=version))


@pytest.mark.parametrize("size", [0, 1, 1200, 1352, 1353, 3000, 20000, 65000])
def test_packets_of_every_size_pass(pair: Pair, size: int) -> None:
    lab, nodes = pair
    assert pings(lab, "anna", nodes["ben"].address(), "-s", str(size))


@pytest.mark.parametrize("version", [4, 6])
def test_tcp_moves_fast(pair: Pair, version: int) -> None:
    lab, nodes = pair
    assert throughput(lab, "anna", "ben", nodes["ben"].address(version=version)) > 300


ECHO = """
import hashlib, socket, sys
with socket.create_server((sys.argv[1], 7100)) as server:
    print("ready", flush=True)
    peer, _ = server.accept()
    seen = hashlib.sha256()
    while data := peer.recv(65536):
        seen.update(data)
print(seen.hexdigest(), flush=True)
"""
SEND = """
import hashlib, random, socket, sys
data = random.Random(1).randbytes(20_000_000)
with socket.create_connection((sys.argv[1], 7100)) as peer:
    peer.sendall(data)
print(hashlib.sha256(data).hexdigest())
"""


def test_every_byte_arrives_as_it_was(pair: Pair) -> None:
    lab, nodes = pair
    to = nodes["ben"].address()
    server = lab.spawn("ben", [sys.executable, "-c", ECHO, to])
    server.wait_for("ready")
    sent = run_python(lab, "anna", SEND, to).stdout.strip()
    assert server.wait() == 0
    assert server.out.split()[-1] == sent


def test_udp_of_many_sizes_arrives_whole(pair: Pair) -> None:
    lab, nodes = pair
    to = nodes["ben"].address()
    listen = (
        "import socket,sys;s=socket.socket(2,2);s.bind((sys.argv[1],7101));s.settimeout(3);print('ready',flush=True)\n"
        "print(sorted(len(s.recv(65535)) for _ in range(5)),flush=True)"
    )
    server = lab.spawn("ben", [sys.executable, "-c", listen, to])
    server.wait_for("ready")
    send = (
        "import socket,sys;s=socket.socket(2,2)\nfor n in (0,1,1000,9000,60000): s.sendto(bytes(n),(sys.argv[1],7101))"
    )
    run_python(lab, "anna", send, to)
    assert server.wait() == 0
    assert server.out.splitlines()[-1] == "[0, 1, 1000, 9000, 60000]"


def test_overlay_ping_names_the_path(pair: Pair) -> None:
    done = pair[1]["anna"].command("ping", "ben", "-c", "2", "--json")
    assert done.returncode == 0
    *pongs, total = [json.loads(line) for line in done.stdout.splitlines()]
    assert [pong["seq"] for pong in pongs] == sorted(pong["seq"] for pong in pongs)
    assert all(pong["rtt_ms"] > 0 and pong["path"]["kind"] == "direct" for pong in pongs)
    assert (total["sent"], total["received"]) == (2, 2)
    spoken = pair[1]["anna"].command("ping", "ben", "-c", "1")
    assert "direct" in spoken.stdout


@pytest.mark.parametrize("how", ["name", "ipv4", "ipv6", "id"])
def test_a_peer_is_named_by_name_address_or_start_of_id(pair: Pair, how: str) -> None:
    anna = pair[1]["anna"]
    ben = anna.status()["peers"][0]
    word = ben["id"][:6] if how == "id" else ben[how]
    assert anna.command("ping", word, "-c", "1").returncode == 0


def test_ip_and_wait(pair: Pair) -> None:
    anna, ben = pair[1]["anna"], pair[1]["ben"]
    assert anna.command("ip").stdout.split() == [anna.address(), anna.address(version=6)]
    assert anna.command("ip", "ben").stdout.split() == [ben.address(), ben.address(version=6)]
    assert anna.command("wait", "--timeout", "5").returncode == 0
    assert anna.command("wait", "ben", "--direct", "--timeout", "5").returncode == 0


def test_an_unknown_peer_is_exit_6_and_lists_who_is_there(pair: Pair) -> None:
    done = pair[1]["anna"].command("ping", "zoe", "-c", "1")
    assert done.returncode == 6
    assert "ben" in done.stderr
    told = pair[1]["anna"].command("ping", "zoe", "-c", "1", "--json")
    assert told.returncode == 6
    assert faults(json.loads(told.stdout), ERROR) == []


def test_a_second_join_is_exit_7_and_changes_nothing(pair: Pair) -> None:
    lab, nodes = pair
    before = nodes["anna"].status()["self"]
    done = lab.run("anna", nodes["anna"].argv(), check=False, env={"OVERLAY_SECRET": nodes["anna"].secret})
    assert done.returncode == 7
    after = nodes["anna"].status()["self"]
    assert {**before, "uptime_s": 0, "nat": {}} == {**after, "uptime_s": 0, "nat": {}}
    assert pings(lab, "anna", nodes["ben"].address())


def test_a_closed_pipe_ends_quietly(pair: Pair) -> None:
    node = pair[1]["anna"]
    argv = " ".join([*node.argv()[:1], "status", "--socket", str(node.socket)])
    done = pair[0].run("anna", ["sh", "-c", f"{argv} | true"], check=False)
    assert done.stderr == ""


def test_stopped_and_continued_it_finds_its_way_back(pair: Pair) -> None:
    lab, nodes = pair
    process = nodes["ben"].process
    assert process is not None
    process.send(signal.SIGSTOP)
    assert lab.run("anna", ["ping", "-c1", "-W1", nodes["anna"].status()["peers"][0]["ipv4"]], check=False).returncode
    process.send(signal.SIGCONT)
    assert pings(lab, "anna", nodes["ben"].address())


def test_leaving_is_seen_at_once_and_takes_the_device_along() -> None:
    with mesh("direct", meet="anna") as (lab, nodes):
        device = nodes["ben"].status()["self"]["dev"]
        assert nodes["ben"].command("leave").returncode == 0
        process = nodes["ben"].process
        assert process is not None
        assert process.wait(timeout=5) == 0
        nodes["anna"].wait_until("rid of ben", lambda status: status["peers"][0]["state"] == "gone", timeout=2)
        assert lab.run("ben", ["ip", "link", "show", device], check=False).returncode != 0
        assert not nodes["ben"].socket.exists()
        assert nodes["ben"].command("status").returncode == 3
