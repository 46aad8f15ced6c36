"""The double of a device keeps its promises."""

from __future__ import annotations

import pytest

from overlay.tun.device import Device
from overlay.tun.memory import MemoryTun


def test_records_in_and_out() -> None:
    tun = MemoryTun()
    device: Device = tun
    tun.put(b"packet")
    tun.put(b"with a header", b"\x01" + bytes(9))
    into = [memoryview(bytearray(12)), memoryview(bytearray(100))]
    assert device.readv(into) == 16
    assert bytes(into[0]) + bytes(into[1][:4]) == bytes(10) + b"packet"
    assert device.readv(into) == 23
    with pytest.raises(BlockingIOError):
        device.readv(into)
    device.write(memoryview(b"one"))
    device.writev([b"tw", bytearray(b"o")])
    assert list(tun.taken) == [b"one", b"two"]


def test_addresses_are_replaced() -> None:
    tun = MemoryTun("memory7", mtu=1300)
    tun.configure("10.9.0.1", "fd09::1")
    tun.configure("10.9.0.2", "")
    assert tun.addresses == ("10.9.0.2/16",)
    tun.close()
    assert tun.closed
