from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from overlay.cli import main
from punch.stun import Message, pack, parse
from punch.values import udp
from tests.kit.contract import NAT, NAT_TOLD, faults
from tests.overlay.control.fake import FakeNode, peer

Capture = pytest.CaptureFixture[str]

HARD = {"type": "NAT4", "mapping": "apdm", "filtering": "apdf", "allocation": "sequential", "step": 1, "age_s": 75.0}


def own_address() -> str:
    """An address of this host that is none of the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        try:
            outward.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this host has no IPv4 route")
        return str(outward.getsockname()[0])


@contextmanager
def stun_server() -> Iterator[str]:
    """A STUN server on this host that answers plainly, in a thread; its address (loopback is never asked)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((own_address(), 0))
        server.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    request, source = server.recvfrom(2048)
                    asked = parse(request)
                except (TimeoutError, ValueError):
                    continue
                seen = Message(kind="response", transaction=asked.transaction, xor_mapped=udp(*source))
                if not (asked.change_ip or asked.change_port):
                    server.sendto(pack(seen), source)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield "{}:{}".format(*server.getsockname())
        finally:
            over.set()
            thread.join()


def test_a_running_node_says_what_it_measured(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["self"]["nat"] |= HARD
    assert main(["nat"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("This device is behind a symmetric NAT (NAT4): ")
    assert "count by +1" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["mapping", "filtering", "allocation", "reached", "measured"]
    assert lines[-1].endswith("1 min ago")
    assert "198.51.100.4:5 (public)" in lines[-2]


def test_a_running_node_says_what_it_could_not_decide(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["self"]["nat"] |= HARD
    node.undecided = ["filtering", "lifetime"]
    assert main(["nat"]) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "undecided filtering, how long a silent mapping lives" in rows
    assert main(["nat", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["undecided"] == node.undecided


def test_as_json(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["self"]["nat"] |= HARD
    assert main(["nat", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert faults(told, NAT_TOLD) == []
    assert told["nat"] == node.snapshot["self"]["nat"]


def test_again_with_punching_off_says_so(node: FakeNode, capsys: Capture) -> None:
    assert main(["nat", "--again"]) == 1
    said = capsys.readouterr().err
    assert "punching is off" in said
    assert "fix: overlay punch on" in said
    assert all(request["do"] != "nat" for request in node.asked)
    assert main(["nat", "--again", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "punch_off"


def test_again_measures_now(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["punch"]["enabled"] = True
    node.snapshot["self"]["nat"] |= HARD
    assert main(["nat", "--again"]) == 0
    assert node.asked[-1] == {"do": "nat", "again": True}
    assert "just now" in capsys.readouterr().out


def test_what_is_not_measured_says_what_is_missing(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["self"]["endpoints"] = []
    assert main(["nat"]) == 0
    assert "measure    punching is off, so nothing is measured: overlay punch on" in capsys.readouterr().out
    node.snapshot["punch"]["enabled"] = True
    assert main(["nat"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("What NAT this device is behind is not known yet.")
    assert "missing    somebody to ask" in out
    assert "overlay nat --server ADDR" in out


def test_a_public_address_that_nobody_looked_at(node: FakeNode, capsys: Capture) -> None:
    assert main(["nat"]) == 0
    assert capsys.readouterr().out.startswith("This device has a public address; whether a firewall")


def test_without_node_and_server_the_error_names_server(capsys: Capture, tmp_path: object) -> None:
    assert main(["nat", "--socket", f"{tmp_path}/none"]) == 3
    assert "overlay nat --server" in capsys.readouterr().err
    assert main(["nat", "--socket", f"{tmp_path}/none", "--json"]) == 3
    assert "--server" in json.loads(capsys.readouterr().out)["error"]["fix"]


@pytest.mark.parametrize("words", [["--server", "a b"], ["--server", "h:0"], ["stun.example.org"], ["--timeout", "0"]])
def test_what_is_no_usage(words: list[str], capsys: Capture) -> None:
    assert main(["nat", *words]) == 2


def test_a_name_that_leads_nowhere(capsys: Capture) -> None:
    assert main(["nat", "--server", "nowhere.invalid"]) == 1
    assert "the name nowhere.invalid does not resolve" in capsys.readouterr().err


def test_without_a_node_it_measures_by_itself(capsys: Capture) -> None:
    with stun_server() as one, stun_server() as other:
        words = ["--server", one, other, "--timeout", "3", "--json"]
        code = main(["nat", *words])
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert faults(told, NAT_TOLD) == []
    assert told["nat"]["type"] not in ("blocked", "unknown")
    assert told["endpoints"]


def test_one_bad_name_is_warned_of_and_the_others_are_asked(capsys: Capture) -> None:
    with stun_server() as one:
        code = main(["nat", "--server", "nowhere.invalid", one, "--timeout", "3", "--json"])
    told = capsys.readouterr()
    assert code == 0
    assert json.loads(told.out)["nat"]["type"] not in ("blocked", "unknown")
    assert "nowhere.invalid" in told.err


def test_a_public_own_address_is_open(capsys: Capture) -> None:
    with stun_server() as one:
        assert main(["nat", "--server", one, "--timeout", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["nat"]["type"] == "open"


def test_silence_is_exit_4_and_still_a_profile(capsys: Capture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        words = ["nat", "--server", f"127.0.0.1:{mute.getsockname()[1]}", "--timeout", "0.3"]
        assert main([*words, "--json"]) == 4
        told = json.loads(capsys.readouterr().out)
        assert told["error"]["code"] == "no_reply"
        assert told["nat"]["type"] in ("blocked", "unknown")
        assert main(words) == 4
        assert "no server answered" in capsys.readouterr().err


def test_the_fake_is_shaped_as_the_contract() -> None:
    assert faults(peer("vps", 1)["nat"], NAT) == []
