"""A TUN device of Linux: opened with a virtio-net header and offloads where the kernel has them, addressed with `ip`.

TUNSETIFF(TUN | NO_PI | VNET_HDR) -> TUNSETVNETHDRSZ 10 -> TUNSETVNETLE -> TUNSETOFFLOAD(as much as is taken)
    -> ip -batch: mtu, gso_max_size, txqueuelen, alias, up        ... configure -> ip -batch: addresses
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Sequence
from functools import partial

import pytun

from overlay.dataplane.abi import ACCEPT_ALL, ACCEPT_CSUM, ACCEPT_TSO, VNET
from overlay.dataplane.edges import Buffer
from overlay.errors import NotPermitted, OverlayError
from overlay.tun.address import check_free, ip_batch
from overlay.tun.device import DEFAULT_NAME, GSO_MAX, PREFIX4, PREFIX6

TUNSETOFFLOAD, TUNSETVNETHDRSZ, TUNSETVNETLE = 0x400454D0, 0x400454D8, 0x400454DC
CSUM, TSO4, TSO6, USO4, USO6 = 0x01, 0x02, 0x04, 0x20, 0x40
"""linux/if_tun.h. TSO_ECN is not asked for: the inner ECN is not ours to touch (protocol section 5)."""
OFFLOADS = (
    (CSUM | TSO4 | TSO6 | USO4 | USO6, ACCEPT_ALL),
    (CSUM | TSO4 | TSO6, ACCEPT_TSO | ACCEPT_CSUM),
    (CSUM, ACCEPT_CSUM),
    (0, 0),
)
"""What is asked of the kernel, and what it means to peers; the first that it takes (USO: Linux 6.2)."""
QUEUE = 1000
"""Packets that wait in the device at most."""
TRIES = 100
"""Default names tried."""


def open_tun(name: str = "", mtu: int = 1380, alias: str = "overlay") -> LinuxTun:
    """Open and bring up a device: `name`, or overlay0 or the next free one where it is empty.

    `alias` begins with "overlay": by that others know that its addresses are no underlay.

    Raises:
        NotPermitted: this user may not.
        OverlayError: no /dev/net/tun (`no_tun`), the name is taken (`device_in_use`), or the kernel refused.
    """
    vnet = True
    try:
        handle = _open(name, pytun.IFF_VNET_HDR)
    except OverlayError as error:
        if error.code != "tun_refused":
            raise
        vnet = False
        handle = _open(name, 0)
    try:
        return LinuxTun(handle, mtu, alias, vnet)
    except BaseException:
        handle.close()
        raise


class LinuxTun:
    """The device as the shell and the plane hold it."""

    def __init__(self, handle: pytun.TunTapDevice, mtu: int, alias: str, vnet: bool) -> None:
        self._handle = handle
        self._addresses: list[str] = []
        self.name: str = handle.name
        self.mtu = mtu
        fd: int = handle.fileno()
        self._fd = fd
        os.set_blocking(fd, False)
        self.offloads = _enable(fd) if vnet else 0
        self.readv: Callable[[Sequence[memoryview]], int] = partial(os.readv if vnet else _readv_bare, fd)
        self.write: Callable[[Buffer], int] = partial(os.write if vnet else _write_bare, fd)
        self.writev: Callable[[Sequence[Buffer]], int] = partial(_writev if vnet else _writev_bare, fd)
        self._bring_up(alias)

    def fileno(self) -> int:
        """Its file descriptor."""
        return self._fd

    def configure(self, ipv4: str, ipv6: str, prefix4: int = PREFIX4, prefix6: int = PREFIX6) -> None:
        """Give it these addresses, replacing earlier ones of ours; an empty one is none.

        IPv6 is left out where the host has it switched off.

        Raises:
            OverlayError: an address or its prefix is in use on this host (`subnet_conflict`), or the kernel refused.
        """
        wanted = [f"{ipv4}/{prefix4}"] if ipv4 else []
        if ipv6 and _has_ipv6(self.name):
            wanted.append(f"{ipv6}/{prefix6}")
        check_free(self.name, wanted)
        lines = [f"address del {each} dev {self.name}" for each in self._addresses if each not in wanted]
        for each in wanted:
            if each not in self._addresses:
                lines.append(f"address add {each} dev {self.name}" + (" nodad" if ":" in each else ""))
        faults = ip_batch(lines)
        if faults:
            raise OverlayError(f"{self.name} did not take its addresses: {next(iter(faults.values()))}")
        self._addresses = wanted

    def close(self) -> None:
        """The device goes, with its addresses and routes."""
        self._handle.close()

    def _bring_up(self, alias: str) -> None:
        name = self.name
        must = [f"link set dev {name} mtu {self.mtu} txqueuelen {QUEUE} up"]
        may = [
            f"link set dev {name} alias {_word(alias)}",
            f"link set dev {name} gso_max_size {GSO_MAX}",
            f"link set dev {name} addrgenmode none",
        ]
        faults = ip_batch([*may, *must])
        if len(may) + 1 in faults:
            raise OverlayError(
                f"{name} does not come up: {faults[len(may) + 1]}",
                "Is iproute2 installed (the `ip` command), and may this user configure devices?",
            )


def _open(name: str, vnet_flag: int) -> pytun.TunTapDevice:
    names = [name] if name else [f"{DEFAULT_NAME[:-1]}{number}" for number in range(TRIES)]
    for each in names:
        if not name and os.path.exists(f"/sys/class/net/{each}"):
            continue
        try:
            return pytun.TunTapDevice(each, pytun.IFF_TUN | pytun.IFF_NO_PI | vnet_flag)
        except pytun.Error as error:
            number = error.args[0] if error.args else None
            if number == errno.EBUSY and not name:
                continue
            raise _explained(each, number, error) from None
        except ValueError:
            raise OverlayError(f"{each!r} cannot be the name of a device.", "Use 1 to 15 letters and digits.") from None
    raise OverlayError(f"All device names from {names[0]} to {names[-1]} are taken.", "Name one: --dev NAME.")


def _explained(name: str, number: int | None, error: Exception) -> OverlayError:
    """What the kernel said, for people."""
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return OverlayError(
            "This host has no /dev/net/tun.",
            "Load the module (sudo modprobe tun), give the container the device (--device /dev/net/tun), "
            "or join without a device: --no-tun.",
            code="no_tun",
        )
    if number in (errno.EPERM, errno.EACCES):
        return NotPermitted(
            f"This user may not make the device {name}.",
            "Run it as root (sudo overlay join ...), or join without a device: --no-tun.",
        )
    if number == errno.EBUSY or (number == errno.EINVAL and os.path.exists(f"/sys/class/net/{name}")):
        return OverlayError(f"The device {name} is in use.", "Name another: --dev NAME.", code="device_in_use")
    return OverlayError(f"The device {name} cannot be opened: {error.args[-1]}.", code="tun_refused")


def _enable(fd: int) -> int:
    """Ask for little-endian headers of 10 bytes and as many offloads as the kernel has; what peers may send us."""
    fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", VNET))
    fcntl.ioctl(fd, TUNSETVNETLE, struct.pack("i", 1))
    for flags, accepted in OFFLOADS:
        try:
            fcntl.ioctl(fd, TUNSETOFFLOAD, flags)
        except OSError:
            continue
        return accepted
    return 0


def _has_ipv6(name: str) -> bool:
    try:
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", encoding="ascii") as switch:
            return switch.read().strip() == "0"
    except OSError:
        return False


def _word(text: str) -> str:
    """One word of an `ip -batch` line."""
    return '"' + "".join(each for each in text if each.isprintable() and each not in '"\\')[:64] + '"'


def _writev(fd: int, buffers: Sequence[Buffer]) -> int:
    """Write a run of packets, then let the application that they wake read them before more arrive."""
    size = os.writev(fd, buffers)
    os.sched_yield()
    return size


# A kernel without the virtio-net header: it is put in front of what is read, and must be empty in what is written.


def _readv_bare(fd: int, buffers: Sequence[memoryview]) -> int:
    first = buffers[0]
    size = os.readv(fd, [first[VNET:], *buffers[1:]])
    first[:VNET] = bytes(VNET)
    return size + VNET


def _write_bare(fd: int, record: Buffer) -> int:
    if record[0] or record[1]:
        raise OSError(errno.EINVAL, "this device takes plain packets only")
    return os.write(fd, record[VNET:])


def _writev_bare(fd: int, buffers: Sequence[Buffer]) -> int:
    return _write_bare(fd, b"".join(buffers))
