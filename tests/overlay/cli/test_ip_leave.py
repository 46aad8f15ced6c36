from __future__ import annotations

import json

import pytest

from overlay.cli import main
from overlay.control import client
from tests.overlay.control.fake import FakeNode

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ([], "10.222.7.1\nfd3a::1\n"),
        (["laptop"], "10.222.7.1\nfd3a::1\n"),
        (["phone"], "10.222.7.9\nfd3a::9\n"),
        (["fd3a::9"], "10.222.7.9\nfd3a::9\n"),
    ],
)
def test_the_addresses_alone_ipv4_first(node: FakeNode, capsys: Capture, words: list[str], out: str) -> None:
    assert main(["ip", *words]) == 0
    assert capsys.readouterr() == (out, "")


def test_addresses_as_json(node: FakeNode, capsys: Capture) -> None:
    assert main(["ip", "phone", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "ipv4": "10.222.7.9", "ipv6": "fd3a::9"}


def test_no_such_peer(node: FakeNode, capsys: Capture) -> None:
    assert main(["ip", "zoe"]) == 6


def test_no_address_yet(node: FakeNode, capsys: Capture) -> None:
    node.snapshot["self"] |= {"ipv4": None, "ipv6": None}
    assert main(["ip"]) == 1
    assert "no address yet" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "out"), [([], "left home\n"), (["--json"], '{"schema": 1, "left": "home"}\n')])
def test_leaving_is_over_when_the_command_returns(node: FakeNode, capsys: Capture, words: list[str], out: str) -> None:
    assert main(["leave", *words]) == 0
    assert capsys.readouterr().out == out
    assert client.look(node.path) == client.DEAD
    assert main(["leave"]) == 3
