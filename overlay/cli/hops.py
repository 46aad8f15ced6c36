"""`overlay trace PEER`: every hop of today's path, each asked for itself.

phone (10.222.7.9), relay via vps, nas
    hop    endpoint                 rtt  loss
  1 vps    203.0.113.9:27182    12.3 ms   0 %
! 2 nas                       no answer
  3 phone                       48.0 ms   2 %
! no answer in time
"""

from __future__ import annotations

import json
import sys

import click

from overlay.cli.options import find_node, node_options
from overlay.cli.outcome import error_object
from overlay.cli.render import path_words, who
from overlay.cli.terminal import Canvas, columns
from overlay.cli.units import milliseconds, percent
from overlay.control import client, peers
from overlay.control.protocol import Json
from overlay.errors import NoReply
from overlay.logs import clean

SILENCE_S = 15.0
"""Without an answer of the node for so long, it is stuck."""

_GAP = "  "


@click.command(epilog="Example: overlay trace phone")
@click.argument("peer")
@node_options
def trace(peer: str, network: str | None, socket: str | None, as_json: bool) -> int:
    """Every hop of today's path to PEER (a name, an address or the start of an id).

    Each hop is asked for itself, sealed, through those before it; its RTT is there and back from here. A hop that does
    not answer is marked; those behind it may answer all the same.
    """
    path = find_node(network, socket)
    found = peers.choose(client.ask(path, {"do": "status"}), peer)
    hops: list[Json] = client.ask(path, {"do": "trace", "peer": found["id"]}, timeout=SILENCE_S)["hops"]
    missed = _missed(found, hops)
    if as_json:
        print(json.dumps({"schema": 1, "hops": hops} | (error_object(missed) if missed else {})))
        return missed.exit_code if missed else 0
    if hops:
        print("\n".join(trace_lines(found, hops, Canvas.of(sys.stdout))))
    if missed:
        raise missed
    return 0


def trace_lines(peer: Json, hops: list[Json], canvas: Canvas) -> list[str]:
    """The hops as a table, those that did not answer marked."""
    rows = [_cells(place, hop) for place, hop in enumerate(hops, 1)]
    titles = ("", "hop", "endpoint", "rtt", "loss")
    shown = [index for index in range(len(titles)) if any(row[index] for row in rows)]
    widths = [max(columns(row[index]) for row in (titles, *rows)) for index in range(len(titles))]
    lines = [f"{who(peer)}, {path_words(peer['path'])}", canvas.pen("  " + _row(titles, shown, widths), "dim")]
    for hop, row in zip(hops, rows, strict=True):
        silent = hop["rtt_ms"] is None
        mark = canvas.pen("!", "yellow", "bold") if silent else " "
        text = _row(row, shown, widths)
        lines.append(f"{mark} {canvas.pen(text, 'yellow') if silent else text}")
    if any(hop["rtt_ms"] is None for hop in hops):
        lines.append(canvas.pen("! no answer in time", "dim"))
    return lines


def _cells(place: int, hop: Json) -> tuple[str, ...]:
    rtt = milliseconds(hop["rtt_ms"]) or "no answer"
    return str(place), clean(hop["name"]), clean(hop["endpoint"] or ""), rtt, percent(hop.get("loss"))


def _row(cells: tuple[str, ...], shown: list[int], widths: list[int]) -> str:
    """Place, hop and endpoint to the left, figures to the right."""
    texts = []
    for index in shown:
        space = " " * (widths[index] - columns(cells[index]))
        texts.append(space + cells[index] if index in (0, 3, 4) else cells[index] + space)
    return _GAP.join(texts).rstrip()


def _missed(peer: Json, hops: list[Json]) -> NoReply | None:
    """What did not come: a path, or the peer's own answer."""
    name = peer["name"]
    if not hops:
        return NoReply(f"there is no path to {name} now", f"overlay why {name} says what is known")
    if hops[-1]["rtt_ms"] is None:
        return NoReply(f"{name} did not answer", f"overlay why {name} says what is known of the ways to it")
    return None
