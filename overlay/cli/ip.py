"""`overlay ip`: the addresses alone, IPv4 first."""

from __future__ import annotations

import json

import click

from overlay.cli.options import find_node, node_options
from overlay.control import client, peers
from overlay.errors import OverlayError
from overlay.logs import clean


@click.command(epilog="Example: ssh $(overlay ip laptop | head -1)")
@click.argument("peer", required=False)
@node_options
def ip(peer: str | None, network: str | None, socket: str | None, as_json: bool) -> None:
    """The overlay addresses of PEER (a name, an address or the start of an id), or this node's own; IPv4 first."""
    snapshot = client.ask(find_node(network, socket), {"do": "status"})
    own = peer is None or peers.is_self(snapshot, peer)
    node = snapshot["self"] if own else peers.choose(snapshot, str(peer))
    addresses = [node[family] for family in ("ipv4", "ipv6") if node[family]]
    if not addresses:
        raise OverlayError(f"{node['name']} has no address yet", "try again in a moment", code="no_address")
    if as_json:
        print(json.dumps({"schema": 1, "ipv4": node["ipv4"], "ipv6": node["ipv6"]}))
    else:
        print("\n".join(clean(address) for address in addresses))
