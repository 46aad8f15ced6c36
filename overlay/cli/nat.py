"""`overlay nat`: what NAT is in front of this device; asked of the node, or measured here without one."""

from __future__ import annotations

import json
import sys

import click

from overlay.cli.options import find_node, node_options
from overlay.cli.outcome import error_object
from overlay.cli.reach import nat_axes, nat_sentence
from overlay.cli.units import duration
from overlay.config.address import STUN_PORT, parse_addr
from overlay.control import client
from overlay.control.protocol import Json
from overlay.errors import NoReply, NotRunning, OverlayError
from overlay.logs import clean
from punch.detect.words import axis_words

MEASURE_S = 20.0
"""By then a node has measured anew."""

_WITHOUT = "measure without a node: overlay nat --server stun.example.org; or start one: overlay join -n NAME"


_MISSING = [
    ("missing", "somebody to ask: a member that others can reach, or a STUN server in [stun] servers or --stun ADDR"),
    ("measure", "overlay nat --again, once there is one; overlay nat --server ADDR asks one now"),
]
"""What a node lacks that could not measure."""


@click.command(epilog="Example: overlay nat --server stun.example.org --server 192.0.2.10:3478")
@click.option("--again", is_flag=True, help="Measure now, and try again for direct paths at once.")
@click.option("--server", "servers", metavar="ADDR", multiple=True, help="STUN server to ask, with no node; repeat it.")
@click.option("--timeout", metavar="S", type=click.FloatRange(min=0.1), default=5.0, help="Seconds for --server (5).")
@click.argument("more", nargs=-1, metavar="")
@node_options
def nat(
    again: bool,
    servers: tuple[str, ...],
    timeout: float,
    more: tuple[str, ...],
    network: str | None,
    socket: str | None,
    as_json: bool,
) -> int:
    """What NAT is in front of this device: one sentence, then mapping, filtering and allocation.

    A running node is asked what it measured; --again takes punching to be on. With --server ADDR... this command
    measures by itself and needs no node; one server with two addresses (RFC 5780), or two servers, decide the most.
    """
    if more and not servers:
        raise click.UsageError(f"what is {more[0]!r}? Servers stand behind --server")
    enabled = True
    if servers:
        found = _measured((*servers, *more), timeout)
    else:
        found, enabled = _asked(network, socket, again=again)
    missed = _silence(found["nat"]) if servers else None
    if as_json:
        print(json.dumps({"schema": 1, **found, **(error_object(missed) if missed else {})}))
    else:
        if missed:
            raise missed
        print("\n".join(_lines(found, enabled=enabled)))
    return missed.exit_code if missed else 0


def _asked(network: str | None, socket: str | None, *, again: bool) -> tuple[Json, bool]:
    """What the running node knows, or measures now, and whether it may measure at all.

    Raises:
        NotRunning: there is none; the fix names --server.
        OverlayError: it was to measure, and punching is off.
    """
    try:
        path = find_node(network, socket)
    except NotRunning as error:
        raise NotRunning(error.text, _WITHOUT) from None
    enabled = bool(client.ask(path, {"do": "status"})["punch"]["enabled"])
    if again and not enabled:
        raise OverlayError("punching is off, so this node measures nothing", "overlay punch on", code="punch_off")
    reply = client.ask(path, {"do": "nat", "again": again}, timeout=MEASURE_S if again else client.ANSWER_S)
    found = {"nat": reply["nat"], "endpoints": reply["endpoints"], "undecided": reply.get("undecided", [])}
    return found, enabled


def _measured(servers: tuple[str, ...], timeout: float) -> Json:
    """Ask these servers from sockets of this process.

    Raises:
        UsageError: an address is none.
        OverlayError: no name resolves, or there is no UDP here.
    """
    addresses = [parse_addr(server, STUN_PORT) for server in servers]
    import msgspec  # only here: a running node is asked without them

    from overlay.node.nat import describe
    from punch.driver import detect

    plain = [f"[{each.host}]:{each.port}" if ":" in each.host else f"{each.host}:{each.port}" for each in addresses]
    try:
        found = detect(plain, timeout=timeout)
    except OSError as error:
        text = f"no server can be asked: {error.strerror or error}"
        raise OverlayError(text, "check the name, and that this device has a network", code="unreachable") from None
    for lost in found.lost:
        print(f"overlay: {clean(lost)}; the other servers were asked", file=sys.stderr)
    measured = msgspec.to_builtins(describe(found.profile, age=0.0))
    endpoints = [{"address": str(each), "kind": "stun"} for each in found.endpoints]
    return {"nat": measured, "endpoints": endpoints, "undecided": list(found.undecided)}


def _silence(found: Json) -> NoReply | None:
    """Nobody answered, so nothing was measured."""
    if found["type"] not in ("blocked", "unknown"):
        return None
    return NoReply(
        "no server answered in time", "check the servers' names and ports, and that UDP may leave this network"
    )


def _lines(found: Json, *, enabled: bool) -> list[str]:
    known = found["nat"]
    rows = nat_axes(known)
    seen = [f"{each['address']} ({each['kind']})" for each in found["endpoints"]]
    if seen:
        rows.append(("reached at", clean(", ".join(seen))))
    if found["undecided"]:
        rows.append(("undecided", ", ".join(clean(axis_words(each)) for each in found["undecided"])))
    if known["type"] != "unknown" and known["age_s"] is not None:
        rows.append(("measured", "just now" if known["age_s"] < 1 else f"{duration(known['age_s'])} ago"))
    elif known["type"] == "unknown":
        rows += _MISSING if enabled else [("measure", "punching is off, so nothing is measured: overlay punch on")]
    public = any(each["kind"] == "public" for each in found["endpoints"])
    return [nat_sentence(known, public=public), *(f"  {name:<11}{words}" for name, words in rows)]
