"""A real device: what it is, and what is said when it cannot be had."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overlay.dataplane.abi import ACCEPT_ALL
from overlay.errors import OverlayError
from overlay.tun.device import Device
from overlay.tun.linux import open_tun
from tests.overlay.dataplane.nets import inside, namespace

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0 or not Path("/dev/net/tun").exists(), reason="needs root and /dev/net/tun"),
]


@pytest.fixture
def place() -> Iterator[str]:
    with namespace(f"ovt{os.getpid()}") as name:
        yield name


def ip(place: str, *words: str) -> list[dict[str, object]]:
    done = subprocess.run(["ip", "-n", place, "-j", "-d", *words], capture_output=True, check=True)
    return [each for each in json.loads(done.stdout or b"[]") if each]


def addresses(place: str, device: str) -> list[str]:
    (link,) = ip(place, "address", "show", device)
    return [f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"]]  # type: ignore[attr-defined]


def test_a_device_as_the_plane_needs_it(place: str) -> None:
    tun = inside(place, lambda: open_tun("", 1380, 'overlay ho"me'))
    device: Device = tun
    try:
        assert (device.name, device.mtu, device.offloads) == ("overlay0", 1380, ACCEPT_ALL)
        (link,) = ip(place, "link", "show", "overlay0")
        assert (link["mtu"], link["gso_max_size"], link["txqlen"]) == (1380, 61_440, 1000)
        assert link["ifalias"] == "overlay home"
        assert "UP" in link["flags"]  # type: ignore[operator]
        assert addresses(place, "overlay0") == [], "no link-local one, so no router solicitations"
        with pytest.raises(BlockingIOError):
            device.readv([memoryview(bytearray(2000))])
    finally:
        tun.close()
    assert [each["ifname"] for each in ip(place, "link", "show")] == ["lo"]


def test_addresses_come_change_and_go(place: str) -> None:
    tun = inside(place, lambda: open_tun("t0"))
    try:
        inside(place, lambda: tun.configure("10.77.1.2", "fd77::2"))
        assert addresses(place, "t0") == ["10.77.1.2/16", "fd77::2/48"]
        inside(place, lambda: tun.configure("10.77.1.2", "fd77::2"))
        inside(place, lambda: tun.configure("10.77.1.3", "fd77::2"))
        assert sorted(addresses(place, "t0")) == ["10.77.1.3/16", "fd77::2/48"]
        inside(place, lambda: tun.configure("", ""))
        assert addresses(place, "t0") == []
    finally:
        tun.close()


def test_packets_of_the_host(place: str) -> None:
    tun = inside(place, lambda: open_tun("t0"))
    try:
        inside(place, lambda: tun.configure("10.77.1.2", ""))
        with inside(place, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as app:
            app.sendto(b"payload", ("10.77.9.9", 9))
        buffer = bytearray(2000)
        size = tun.readv([memoryview(buffer)])
        assert buffer[:2] == b"\x01\x00", "the checksum is left to whoever takes it"
        assert buffer[10] == 0x45
        assert buffer[size - 7 : size] == b"payload"
    finally:
        tun.close()


def test_the_next_free_name_unless_one_was_asked_for(place: str) -> None:
    first = inside(place, open_tun)
    second = inside(place, open_tun)
    try:
        assert (first.name, second.name) == ("overlay0", "overlay1")
        with pytest.raises(OverlayError) as refused:
            inside(place, lambda: open_tun("overlay1"))
        assert (refused.value.code, refused.value.exit_code) == ("device_in_use", 1)
        assert "--dev" in refused.value.fix
        with pytest.raises(OverlayError) as refused:
            inside(place, lambda: open_tun("lo"))
        assert refused.value.code == "device_in_use"
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("name", ["much-too-long-a-name", "a/b", "a b"])
def test_names_no_device_can_have(place: str, name: str) -> None:
    with pytest.raises(OverlayError) as refused:
        inside(place, lambda: open_tun(name))
    assert name in refused.value.text


@pytest.mark.parametrize(
    ("setup", "free"),
    [
        (["address add 10.77.200.1/24 dev lo"], False),
        (["route add 10.77.128.0/17 dev lo"], False),
        (["address add fd77::9/64 dev lo"], False),
        (["address add 10.78.0.1/16 dev lo", "address add fd78::1/48 dev lo"], True),
        (["route add default dev lo", "route add 0.0.0.0/1 dev lo", "-6 route add 2000::/3 dev lo"], True),
    ],
)
def test_a_prefix_that_is_in_use_here(place: str, setup: list[str], free: bool) -> None:
    for each in setup:
        subprocess.run(["ip", "-n", place, *each.split()], check=True)
    tun = inside(place, lambda: open_tun("t0"))
    try:
        if free:
            inside(place, lambda: tun.configure("10.77.1.2", "fd77::2"))
            return
        with pytest.raises(OverlayError) as refused:
            inside(place, lambda: tun.configure("10.77.1.2", "fd77::2"))
        assert refused.value.code == "subnet_conflict"
        assert "lo" in refused.value.text
        assert addresses(place, "t0") == []
    finally:
        tun.close()


def test_a_host_without_ipv6(place: str) -> None:
    switch = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
    inside(place, lambda: Path(switch).write_text("1", encoding="ascii"))
    tun = inside(place, lambda: open_tun("t0"))
    try:
        inside(place, lambda: tun.configure("10.77.1.2", "fd77::2"))
        assert addresses(place, "t0") == ["10.77.1.2/16"]
    finally:
        tun.close()


TRY = """
import sys
from overlay.errors import OverlayError
from overlay.tun.linux import open_tun
try:
    open_tun("t0")
except OverlayError as error:
    print(error.code, error.exit_code, error.fix)
"""


def attempt(*wrapper: str) -> str:
    done = subprocess.run(
        [*wrapper, sys.executable, "-c", TRY], capture_output=True, text=True, check=False, cwd=Path.cwd(), timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_permission(place: str) -> None:
    said = attempt("ip", "netns", "exec", place, "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    assert said.startswith("no_permission 5 ")
    assert "sudo" in said


def test_no_tun_on_this_host(place: str) -> None:
    hide = 'mount -t tmpfs none /dev/net && exec "$@"'
    said = attempt("ip", "netns", "exec", place, "unshare", "-m", "sh", "-c", hide, "sh")
    assert said.startswith("no_tun 1 ")
    assert "--no-tun" in said
