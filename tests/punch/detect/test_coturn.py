"""A client of another maker reads our service: coturn's turnutils_natdiscovery, in a namespace of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CLIENT = "turnutils_natdiscovery"
FIRST, SECOND, OURS = "198.51.100.1", "203.0.113.1", "192.0.2.77"
PORT = 27182
SPACE = f"natdiscovery{os.getpid()}"
ROOT = Path(__file__).resolve().parents[3]

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
    pytest.mark.skipif(shutil.which(CLIENT) is None, reason=f"{CLIENT} (Debian: coturn) is not installed"),
]


@pytest.fixture(scope="module", autouse=True)
def space() -> Iterator[None]:
    """A namespace with three addresses."""
    subprocess.run(["ip", "netns", "add", SPACE], check=True)
    for host in (FIRST, SECOND, OURS):
        subprocess.run(["ip", "-n", SPACE, "addr", "add", f"{host}/32", "dev", "lo"], check=True)
    subprocess.run(["ip", "-n", SPACE, "link", "set", "lo", "up"], check=True)
    yield
    subprocess.run(["ip", "netns", "del", SPACE], check=True)


@contextlib.contextmanager
def served(*hosts: str) -> Iterator[None]:
    """Our service at these addresses."""
    command = ["ip", "netns", "exec", SPACE, sys.executable, "-m", "tests.punch.detect.serving", str(PORT), *hosts]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            service.terminate()


def discover(option: str) -> str:
    command = ["ip", "netns", "exec", SPACE, CLIENT, option, "-p", str(PORT), "-L", OURS, FIRST]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


def test_both_discoveries_end_with_two_addresses() -> None:
    with served(FIRST, SECOND):
        mapping, filtering = discover("-m"), discover("-f")
    assert "No ALG: Mapped == XOR-Mapped" in mapping
    assert f"Other addr: : {SECOND}:{PORT + 1}" in mapping
    assert f"Response origin: : {SECOND}:{PORT}" in mapping
    assert "NAT with Endpoint Independent Mapping!" in mapping
    assert f"Response origin: : {SECOND}:{PORT + 1}" in filtering
    assert "NAT with Endpoint Independent Filtering!" in filtering


def test_with_one_address_it_claims_nothing_that_was_not_tested() -> None:
    with served(FIRST):
        mapping, filtering = discover("-m"), discover("-f")
    assert f"UDP reflexive addr: {OURS}:" in mapping
    assert "Other addr" not in mapping + filtering
    assert "Filtering!" not in filtering
