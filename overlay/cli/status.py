"""`overlay status`: who is here, how each is reached, and why."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from overlay.cli.options import find_node, node_options
from overlay.cli.render import Rates, status_lines
from overlay.cli.terminal import Canvas, size
from overlay.control import client
from overlay.control.protocol import Json

WATCH_S = 1.0


@click.command(epilog="Example: overlay status --watch")
@click.option("--watch", is_flag=True, help="Show it anew each second, with rates; Ctrl-C ends.")
@node_options
def status(watch: bool, network: str | None, socket: str | None, as_json: bool) -> None:
    """Who is here, direct or via whom, how fast, since when, and what is wrong."""
    path = find_node(network, socket)
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(path, as_json=as_json)
    elif as_json:
        print(json.dumps(_ask(path)))
    else:
        print("\n".join(status_lines(_ask(path), Canvas.of(sys.stdout))))


def _ask(path: Path) -> Json:
    return client.ask(path, {"do": "status"})


def _watch(path: Path, *, as_json: bool) -> None:
    """One object a line, one view after the other, or one view in place on a terminal."""
    with _screen(in_place=sys.stdout.isatty() and not as_json) as in_place:
        before: tuple[float, Json] | None = None
        while True:
            now, snapshot = time.monotonic(), _ask(path)
            if as_json:
                print(json.dumps(snapshot), flush=True)
            else:
                lines = status_lines(snapshot, Canvas.of(sys.stdout), rates(before, (now, snapshot)))
                _draw(lines, in_place=in_place)
            before = (now, snapshot)
            time.sleep(WATCH_S)


def rates(before: tuple[float, Json] | None, after: tuple[float, Json]) -> Rates:
    """Bytes a second of each peer between two snapshots taken at these seconds."""
    if before is None or after[0] <= before[0]:
        return {}
    took = after[0] - before[0]
    old = {peer["id"]: peer for peer in before[1]["peers"]}
    return {
        peer["id"]: (
            max(0, peer["rx_bytes"] - old[peer["id"]]["rx_bytes"]) / took,
            max(0, peer["tx_bytes"] - old[peer["id"]]["tx_bytes"]) / took,
        )
        for peer in after[1]["peers"]
        if peer["id"] in old
    }


def _draw(lines: list[str], *, in_place: bool) -> None:
    if not in_place:
        print("\n".join([*lines, ""]), flush=True)
        return
    height = max(2, size(sys.stdout)[1])
    if len(lines) >= height:
        lines = [*lines[: height - 2], f"... {len(lines) - height + 2} lines more"]
    print("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J", end="", flush=True)


@contextlib.contextmanager
def _screen(*, in_place: bool) -> Iterator[bool]:
    """The terminal's second screen with the cursor hidden; what stood there before comes back after."""
    if in_place:
        print("\x1b[?1049h\x1b[?25l", end="", flush=True)
    try:
        yield in_place
    finally:
        if in_place:
            print("\x1b[?25h\x1b[?1049l", end="", flush=True)
