"""Who is measured: each makes a tunnel from anna to ben in the scene `direct` and takes it down again."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from overlay.lab import Lab, LabNode

INSIDE = {"anna": "10.99.0.1", "ben": "10.99.0.2"}
"""Addresses inside the tunnels of our peers; our own derive theirs."""

_UAPI = Path("/var/run/wireguard")


class Contender(Protocol):
    """One way to get packets from anna to ben."""

    name: str

    def tunnel(self, lab: Lab) -> AbstractContextManager[str]:
        """A tunnel that stands, as ben's address inside it."""


class Raw:
    """The bare wire: the ceiling."""

    name = "raw veth"

    @contextmanager
    def tunnel(self, lab: Lab) -> Iterator[str]:
        """Nothing to set up."""
        yield lab.address("ben")


class Us:
    """Two `overlay join`."""

    name = "overlay"

    @contextmanager
    def tunnel(self, lab: Lab) -> Iterator[str]:
        """Both joined, and their path direct."""
        anna = LabNode(lab, "anna")
        ben = LabNode(lab, "ben", peers=(lab.address("anna"),))
        anna.up()
        ben.up()
        anna.wait_peer("ben", kind="direct")
        ben.wait_peer("anna", kind="direct")
        yield ben.address()
        ben.stop()
        anna.stop()


class WireguardGo:
    """wireguard-go, configured through its UAPI socket (wireguard.com/xplatform)."""

    name = "wireguard-go"

    def __init__(self, binary: str) -> None:
        self._binary = binary

    @contextmanager
    def tunnel(self, lab: Lab) -> Iterator[str]:
        """Two devices with each other as only peer."""
        keys = {host: X25519PrivateKey.generate() for host in INSIDE}
        devices = {host: f"wg{os.getpid() % 1_000_000}{host[0]}" for host in INSIDE}
        for host, device in devices.items():
            lab.spawn(host, [self._binary, "-f", device], env={"LOG_LEVEL": "error"})
        for host, other in (("anna", "ben"), ("ben", "anna")):
            lines = [
                f"private_key={keys[host].private_bytes_raw().hex()}",
                "listen_port=51820",
                f"public_key={keys[other].public_key().public_bytes_raw().hex()}",
                f"endpoint={lab.address(other)}:51820",
                f"allowed_ip={INSIDE[other]}/32",
            ]
            _configure(_UAPI / f"{devices[host]}.sock", lines)
            _address(lab, host, devices[host])
        yield INSIDE["ben"]


class Nebula:
    """nebula, with a certificate authority made for the run (`nebula-cert` lies beside the binary)."""

    name = "nebula"

    def __init__(self, binary: str) -> None:
        self._binary = binary
        self._cert = str(Path(binary).with_name("nebula-cert"))

    @contextmanager
    def tunnel(self, lab: Lab) -> Iterator[str]:
        """Two nodes that know each other's address."""
        folder = lab.folder("anna")
        authority = ["-ca-crt", f"{folder}/ca.crt", "-ca-key", f"{folder}/ca.key"]
        lab.run(
            "anna",
            [self._cert, "ca", "-name", "bench", "-out-crt", f"{folder}/ca.crt", "-out-key", f"{folder}/ca.key"],
        )
        for host, other in (("anna", "ben"), ("ben", "anna")):
            files = ["-out-crt", f"{folder}/{host}.crt", "-out-key", f"{folder}/{host}.key"]
            lab.run("anna", [self._cert, "sign", *authority, "-name", host, "-ip", f"{INSIDE[host]}/24", *files])
            config = folder / f"{host}.yml"
            config.write_text(json.dumps(self._config(folder, host, other, lab.address(other))))
            lab.spawn(host, [self._binary, "-config", str(config)])
        _until_ping(lab)
        yield INSIDE["ben"]

    @staticmethod
    def _config(folder: Path, host: str, other: str, outside: str) -> dict[str, object]:
        """nebula reads YAML, of which JSON is a part."""
        anyone = [{"port": "any", "proto": "any", "host": "any"}]
        return {
            "pki": {"ca": f"{folder}/ca.crt", "cert": f"{folder}/{host}.crt", "key": f"{folder}/{host}.key"},
            "static_host_map": {INSIDE[other]: [f"{outside}:4242"]},
            "lighthouse": {"am_lighthouse": False},
            "listen": {"host": "0.0.0.0", "port": 4242},
            "tun": {"dev": "nebula1", "tx_queue": 2000},
            "logging": {"level": "error"},
            "firewall": {"outbound": anyone, "inbound": anyone},
        }


class EasyTier:
    """easytier-core over UDP."""

    name = "EasyTier"

    def __init__(self, binary: str) -> None:
        self._binary = binary

    @contextmanager
    def tunnel(self, lab: Lab) -> Iterator[str]:
        """Two nodes, ben dialling anna."""
        common = [self._binary, "--network-name", "bench", "--network-secret", "bench", "--dev-name", "et0"]
        lab.spawn("anna", [*common, "-i", INSIDE["anna"], "-l", "udp://0.0.0.0:11010"])
        peer = f"udp://{lab.address('anna')}:11010"
        lab.spawn("ben", [*common, "-i", INSIDE["ben"], "-l", "udp://0.0.0.0:11010", "-p", peer])
        _until_ping(lab)
        yield INSIDE["ben"]


def find(named: dict[str, str | None]) -> tuple[list[Contender], list[str]]:
    """The contenders that run here, and a sentence for each peer that was not found.

    Args:
        named: binary paths the person gave, by `wireguard_go`, `nebula`, `easytier`.
    """
    found: list[Contender] = [Raw(), Us()]
    absent = []
    wireguard = named["wireguard_go"] or search("wireguard-go", "wireguard")
    if wireguard:
        found.append(WireguardGo(wireguard))
    else:
        absent.append("wireguard-go (apt-get install wireguard-go, or go install golang.zx2c4.com/wireguard@latest)")
    nebula, easytier = named["nebula"], named["easytier"]
    if nebula:
        found.append(Nebula(nebula))
    if easytier:
        found.append(EasyTier(easytier))
    absent += [] if nebula else ["nebula (name it: --nebula PATH, nebula-cert beside it)"]
    absent += [] if easytier else ["EasyTier (name it: --easytier PATH of easytier-core)"]
    absent.append("Tailscale (needs a control server of its own; not started by this bench)")
    return found, absent


def search(*programs: str) -> str | None:
    """The first of `programs` in PATH or where Go installs."""
    folders = [os.environ.get("GOBIN", ""), str(Path.home() / "go" / "bin"), "/opt/gobin"]
    path = os.pathsep.join([os.environ.get("PATH", ""), *[folder for folder in folders if folder]])
    return next((found for program in programs if (found := shutil.which(program, path=path))), None)


def _configure(path: Path, lines: list[str]) -> None:
    until = time.monotonic() + 5
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)
    with socket.socket(socket.AF_UNIX) as uapi:
        uapi.connect(str(path))
        uapi.sendall(("set=1\n" + "\n".join(lines) + "\n\n").encode())
        answer = uapi.recv(4096).decode()
    if "errno=0" not in answer:
        raise RuntimeError(f"wireguard-go refused its configuration: {answer}")


def _address(lab: Lab, host: str, device: str) -> None:
    batch = f"addr add {INSIDE[host]}/24 dev {device}\nlink set {device} up\n"
    lab.run(host, ["ip", "-batch", "-"], stdin=batch)


def _until_ping(lab: Lab) -> None:
    script = f"until ping -c1 -i0.1 -w10 {INSIDE['ben']}; do sleep 0.1; done"
    lab.run("anna", ["sh", "-c", script], timeout=20)
