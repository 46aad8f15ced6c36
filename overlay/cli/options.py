"""Flags that several commands share, and how a command finds its node."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from overlay.config.names import NETWORK_RULE, is_network
from overlay.control import client
from overlay.errors import UsageError

Function = Callable[..., Any]


def node_options(function: Function) -> Function:
    """-n, --socket and --json."""
    for option in (
        click.option("--json", "as_json", is_flag=True, envvar="OVERLAY_JSON", help="JSON for programs."),
        click.option("--socket", metavar="PATH", envvar="OVERLAY_SOCKET", help="The node's control socket."),
        click.option("-n", "--network", metavar="NAME", envvar="OVERLAY_NETWORK", help="Which of several nodes."),
    ):
        function = option(function)
    return function


def find_node(network: str | None, socket: str | None) -> Path:
    """The socket of the node meant.

    Raises:
        UsageError, NotRunning, NotPermitted: as `overlay.control.client.find`.
    """
    if network and not is_network(network):
        raise UsageError(f"{network!r} is no network's name", f"expected {NETWORK_RULE}")
    said = click.get_current_context().find_root().obj or ()
    path = Path(socket) if socket else None
    return client.find(network, path, environ=os.environ, command=shlex.join(["overlay", *said]))
