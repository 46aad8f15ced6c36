"""`overlay leave`: ends a node politely."""

from __future__ import annotations

import json

import click

from overlay.cli.options import find_node, node_options
from overlay.control import client
from overlay.errors import OverlayError
from overlay.logs import clean

LEAVE_S = 10.0
"""By then a node has said goodbye."""
END_S = 5.0
"""And its process, device, socket and locks are gone, so that the next `join` finds room."""


@click.command(epilog="Example: overlay leave -n home")
@node_options
def leave(network: str | None, socket: str | None, as_json: bool) -> None:
    """End a node politely: its peers know at once."""
    path = find_node(network, socket)
    name = client.ask(path, {"do": "status"})["network"]["name"]
    with client.process_at(path) as process:
        client.ask(path, {"do": "leave"}, timeout=LEAVE_S)
        if not client.wait_end(path, END_S, process):
            raise OverlayError(f"{clean(name)} was left, but its process has not ended", "see its log; then kill it")
    print(json.dumps({"schema": 1, "left": name}) if as_json else f"left {clean(name)}")
