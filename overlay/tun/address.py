"""Asks and tells the kernel about addresses and routes, by one `ip` process each."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
from collections.abc import Sequence
from typing import Any

from overlay.errors import OverlayError

WIDE = 8
"""Bits below which a route claims nothing: halves of the internet stand for a default route."""

_FAULT = re.compile(r"Command failed -:(\d+)")


def ip_batch(lines: Sequence[str]) -> dict[int, str]:
    """Run `ip` commands in one process; line number (from 1) -> what the kernel said, for those that failed.

    Raises:
        OverlayError: there is no `ip` command.
    """
    if not lines:
        return {}
    try:
        done = subprocess.run(
            ["ip", "-force", "-batch", "-"],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OverlayError(f"`ip` does not run: {error}", "Install iproute2.") from None
    faults: dict[int, str] = {}
    said = ""
    for line in done.stderr.splitlines():
        found = _FAULT.match(line)
        if found:
            faults[int(found[1])] = said or "refused"
            said = ""
        else:
            said = said or line.strip()
    if done.returncode and not faults:
        faults[len(lines)] = said or f"ip ended with {done.returncode}"
    return faults


def check_free(own: str, wanted: Sequence[str]) -> None:
    """Look whether the prefixes of `wanted` (ADDRESS/BITS) are free on this host, device `own` apart.

    Raises:
        OverlayError: `subnet_conflict`, with the device that has the address or route.
    """
    if not wanted:
        return
    prefixes = [ipaddress.ip_interface(each).network for each in wanted]
    for network, device in _taken():
        if device == own:
            continue
        for prefix in prefixes:
            if network.version == prefix.version and network.overlaps(prefix):
                raise OverlayError(
                    f"The overlay's {prefix} is in use on this host: {network} on {device}.",
                    "Rename one of the networks, or remove that address or route.",
                    code="subnet_conflict",
                )


def _taken() -> list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str]]:
    """Prefixes of this host's addresses and routes, with their device."""
    taken = []
    for link in _asked("address"):
        for each in link.get("addr_info", ()):
            if "local" in each:
                taken.append((ipaddress.ip_interface(f"{each['local']}/{each['prefixlen']}").network, link["ifname"]))
    for family in ("-4", "-6"):
        for route in _asked(family, "route"):
            target = route.get("dst", "default")
            if target != "default" and route.get("type", "unicast") == "unicast":
                taken.append((ipaddress.ip_network(target, strict=False), route.get("dev", "a route")))
    return [(network, device) for network, device in taken if network.prefixlen >= WIDE]


def _asked(*what: str) -> list[Any]:
    try:
        done = subprocess.run(["ip", "-j", *what, "show"], capture_output=True, timeout=10, check=True)
        found = json.loads(done.stdout or b"[]")
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return found if isinstance(found, list) else []
