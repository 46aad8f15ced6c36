"""Everything here runs real `overlay` processes in network namespaces: marked `kernel`, skipped without root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_PROGRAMS = ("ip", "nft", "ping", "iperf3", "tcpdump", "ethtool", "setpriv", "unshare")


def _missing() -> str:
    if os.geteuid() != 0:
        return "needs root"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    path = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    missing = [program for program in _PROGRAMS if shutil.which(program, path=path) is None]
    return f"needs {', '.join(missing)}" if missing else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    reason = _missing() if here else ""
    for item in here:
        item.add_marker(pytest.mark.kernel)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
