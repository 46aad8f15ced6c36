"""The flags of `join` that are settings, and `Sources` made of them; `config show` takes the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from overlay.config.keys import FLAGS
from overlay.config.loader import Sources

Function = Callable[..., Any]

_OPTIONS = (
    click.option("-n", "--network", metavar="NAME", help="Name of the network."),
    click.option("-s", "--secret", metavar="S", help="Its secret; safer: --secret-file, OVERLAY_SECRET."),
    click.option("--secret-file", metavar="F", help="File that holds the secret; - is stdin."),
    click.option("-p", "--peer", metavar="ADDR", multiple=True, help="HOST[:PORT] of any member; may be repeated."),
    click.option("--name", metavar="NAME", help="What this device is called (else as the host)."),
    click.option("--ip", metavar="IPV4", help="Overlay address to hold; it is remembered."),
    click.option("--port", metavar="PORT", help="UDP port (27182); PORT+1 is taken too."),
    click.option("--dev", metavar="NAME", help="Name of the network device."),
    click.option("--advertise", metavar="ADDR", multiple=True, help="Where others reach this node."),
    click.option("-c", "--config", metavar="FILE", envvar="OVERLAY_CONFIG", help="Config file."),
    click.option("--stun", metavar="ADDR", multiple=True, help="STUN server to ask."),
    click.option("--no-lan", is_flag=True, help="Do not look for members on the LAN."),
    click.option("--no-tun", is_flag=True, help="Make no device; only carry for others."),
    click.option("--relay", metavar="on|off", help="Carry sealed traffic for others (on)."),
    click.option("--punch", metavar="on|off", help="Search for direct paths through NATs (on)."),
    click.option("--nat3-nat4", metavar="auto|always|off", help="Where one side is NAT4; both must allow it (auto)."),
    click.option("--nat4-nat4", metavar="off|auto|always", help="Where both are NAT4; both must allow it (off)."),
)
"""Values stay text: the loader tells all their faults at once, with those of file and environment."""

_KEYS = {flag.removeprefix("--").replace("-", "_"): key for key, flag in FLAGS.items()}
"""Click's parameter -> key."""


def setting_options(function: Function) -> Function:
    """All flags that are settings, and -c."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def sources(said: Mapping[str, Any]) -> Sources:
    """The sources behind these flags (click's parameters by name), paths made absolute."""
    command: dict[str, str | tuple[str, ...]] = {}
    for parameter, key in _KEYS.items():
        value = said[parameter]
        if value is True:  # --no-lan
            command[key] = "off"
        elif isinstance(value, str | tuple) and value != ():
            command[key] = value
    return Sources(
        command=command,
        environ={name: value for name, value in os.environ.items() if name.startswith(("OVERLAY_", "XDG_"))},
        file=Path(said["config"]).absolute() if said["config"] else None,
        uid=os.geteuid(),
    )
