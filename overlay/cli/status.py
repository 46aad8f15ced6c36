"""`overlay status`: who is here, how each is reached, and why."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from overlay.cli.options import find_node, node_options
from overlay.cli.render import Rates, status_lines
from overlay.cli.terminal import Canvas, cut, size
from overlay.control import client
from overlay.control.protocol import Json
from overlay.errors import NotRunning
from overlay.logs import clean

SILENCE_S = 10.0
"""A node that is watched says something each second; without a word for so long it is stuck."""

RATES_S = 0.9
"""Seconds that rates are counted over, at least: views may come faster."""

_SHOWN = 8
"""Changes shown below the table."""


@click.command(epilog="Example: overlay status --watch")
@click.option(
    "--watch",
    is_flag=True,
    help="Show changes as they happen, and rates, until Ctrl-C; without a terminal a line a change.",
)
@node_options
def status(watch: bool, network: str | None, socket: str | None, as_json: bool) -> None:
    """Who is here, direct or via whom, how fast, since when, and what is wrong."""
    path = find_node(network, socket)
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(path, as_json=as_json)
        return
    snapshot = client.ask(path, {"do": "status"})
    print(json.dumps(snapshot) if as_json else "\n".join(status_lines(snapshot, Canvas.of(sys.stdout))))


def _watch(path: Path, *, as_json: bool) -> None:
    """An object a line, a line a change below one view, or one view in place on a terminal."""
    views = client.stream(path, {"do": "watch"}, silence=SILENCE_S)
    if as_json:
        for view in views:
            print(json.dumps(view), flush=True)
    elif sys.stdout.isatty():
        with _screen():
            _show_in_place(views)
    else:
        _tell_changes(views)
    raise NotRunning("the node ended", "start it again: overlay join")


def _tell_changes(views: Iterable[Json]) -> None:
    """One view, then a line a change."""
    for place, view in enumerate(views):
        if not place:
            print("\n".join([*status_lines(view, Canvas.of(sys.stdout)), ""]))
        for change in view["changes"]:
            print(change_words(change))
        sys.stdout.flush()


def _show_in_place(views: Iterable[Json]) -> None:
    before: tuple[float, Json] | None = None
    changes: deque[Json] = deque(maxlen=_SHOWN)
    for view in views:
        canvas, now = Canvas.of(sys.stdout), time.monotonic()
        changes += view["changes"]
        _draw(watch_lines(view, list(changes), canvas, rates(before, (now, view))))
        before = before if before is not None and now - before[0] < RATES_S else (now, view)


def watch_lines(view: Json, changes: list[Json], canvas: Canvas, per_second: Rates) -> list[str]:
    """The view with rates, and below it the last changes, the newest last."""
    lines = status_lines(view, canvas, per_second)
    if changes:
        lines += ["", canvas.pen("what changed", "dim")]
        lines += [
            cut(change_words(each), canvas.width, canvas) if canvas.width else change_words(each) for each in changes
        ]
    return lines


def change_words(change: Json) -> str:
    """`14:03:21 phone: via vps -> direct 203.0.113.9:27182`."""
    return clean(f"{str(change['at'])[11:19]} {change['text']}")


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


def _draw(lines: list[str]) -> None:
    """In place; where the terminal is too low, the middle goes: what changed stays in sight."""
    height = max(4, size(sys.stdout)[1])
    if len(lines) >= height:
        kept = min(_SHOWN, height // 3)
        head = height - kept - 2
        lines = [*lines[:head], f"... {len(lines) - head - kept} lines more", *lines[-kept:]]
    print("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J", end="", flush=True)


@contextlib.contextmanager
def _screen() -> Iterator[None]:
    """The terminal's second screen with the cursor hidden; what stood there before comes back after."""
    print("\x1b[?1049h\x1b[?25l", end="", flush=True)
    try:
        yield
    finally:
        print("\x1b[?25h\x1b[?1049l", end="", flush=True)
