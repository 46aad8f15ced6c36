"""The status view: who is here, direct or via whom, how fast, since when, and what is wrong.

    home  3 members  up 2 h 14 min
    laptop  10.222.7.1  fd3a::1  overlay0  UDP 27182

      peer   address     path                          rtt   jitter   loss  received     sent  since
    * vps    10.222.7.2  direct 203.0.113.9:27182  12.3 ms  0.40 ms    0 %    1.2 GB  20.0 MB  2 h 3 min
    ~ phone  10.222.7.9  relay via vps             48.0 ms  0.40 ms  2.1 %    3.1 MB   1.1 kB  4 min
    o nas    10.222.7.3  gone, last heard from 3 h ago

Drawn by hand: the table library is 25 ms of import, half of the whole command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from overlay.cli.terminal import Canvas, columns, cut
from overlay.cli.units import amount, duration, milliseconds, percent, rate
from overlay.control.protocol import Json
from overlay.logs import clean

Rates = Mapping[str, tuple[float, float]]
"""Peer id -> bytes a second in and out."""

_GAP = "  "


class Column(NamedTuple):
    """A column of the table."""

    title: str
    right: bool = False
    rank: int = 0
    """The highest goes first where the terminal is narrow; 0 stays."""


_COLUMNS = (
    Column("peer"),
    Column("address", rank=2),
    Column("path"),
    Column("rtt", right=True, rank=1),
    Column("jitter", right=True, rank=7),
    Column("loss", right=True, rank=4),
    Column("received", right=True, rank=6),
    Column("sent", right=True, rank=5),
    Column("since", rank=3),
)


class Row(NamedTuple):
    """A peer as drawn."""

    mark: str
    colour: str
    cells: tuple[str, ...]
    """One a column; fewer where the last one says it all."""
    note: str
    """A line below, under `path`."""


def status_lines(status: Json, canvas: Canvas, rates: Rates | None = None) -> list[str]:
    """The whole view; with `rates` traffic is shown a second instead of since join."""
    lines = [*_head(status, canvas), ""]
    peers: list[Json] = status["peers"]
    if peers:
        lines += _table([_row(peer, canvas, rates) for peer in peers], canvas, per_second=rates is not None)
    else:
        lines.append(canvas.pen("nobody else is here yet", "dim"))
    return lines + _problems(status["problems"], canvas)


def path_words(path: Json) -> str:
    """`direct 1.2.3.4:5`, `relay via vps`, `no path`."""
    if path["kind"] == "direct":
        return clean(f"direct {path['endpoint']}")
    if path["kind"] == "relay":
        return clean(f"relay via {', '.join(path['via']) or 'a member'}")
    return "no path"


def who(peer: Json) -> str:
    """`phone (10.66.3.4)`."""
    return clean(f"{peer['name']} ({peer['ipv4'] or peer['ipv6'] or peer['id'][:10]})")


def _head(status: Json, canvas: Canvas) -> list[str]:
    own, network = status["self"], status["network"]
    members = network["members"]
    count = f"{members} member{'' if members == 1 else 's'}"
    up = canvas.pen(f"up {duration(own['uptime_s'])}", "dim")
    device = own["dev"] or "no device"
    own_words = (own["ipv4"] or "no address yet", own["ipv6"] or "", device, f"UDP {own['port']}")
    rest = _GAP.join(clean(word) for word in own_words if word)
    lines = [
        f"{canvas.pen(clean(network['name']), 'bold')}{_GAP}{count}{_GAP}{up}",
        f"{canvas.pen(clean(own['name']), 'bold')}{_GAP}{rest}",
    ]
    reached = [f"{each['address']} ({each['kind']})" for each in own["endpoints"] if each["kind"] != "local"]
    if reached:
        lines.append(canvas.pen(clean(f"reached at {', '.join(reached[:3])}"), "dim"))
    if own["nat"]["type"] != "unknown":
        lines.append(canvas.pen(clean(f"NAT: {own['nat']['label'] or own['nat']['type']}"), "dim"))
    return lines


def _row(peer: Json, canvas: Canvas, rates: Rates | None) -> Row:
    path = peer["path"]
    first = (clean(peer["name"]), clean(peer["ipv4"] or peer["ipv6"] or ""))
    if peer["state"] == "gone":
        ago = f", last heard from {duration(peer['seen_s'])} ago" if peer["seen_s"] is not None else ""
        return Row(_mark("o", canvas), "dim", (*first, f"gone{ago}"), "")
    note = clean(peer["punch"]["text"] or "") if path["kind"] != "direct" else ""
    if peer["state"] != "connected":
        return Row(_mark("-", canvas), "yellow", (*first, "connecting"), note)
    if rates is None:
        received, sent = amount(peer["rx_bytes"]), amount(peer["tx_bytes"])
    else:
        received, sent = (rate(value) for value in rates.get(peer["id"], (0.0, 0.0)))
    quality = (milliseconds(peer["rtt_ms"]), milliseconds(peer["jitter_ms"]), percent(peer["loss"]))
    direct = path["kind"] == "direct"
    cells = (*first, path_words(path), *quality, received, sent, duration(path["since_s"]))
    return Row(_mark("*" if direct else "~", canvas), "green" if direct else "cyan", cells, note)


_MARKS = {
    "*": "\N{BLACK CIRCLE}",
    "~": "\N{FISHEYE}",
    "-": "\N{CIRCLE WITH LEFT HALF BLACK}",
    "o": "\N{WHITE CIRCLE}",
}


def _mark(plain: str, canvas: Canvas) -> str:
    return plain if canvas.plain else _MARKS[plain]


def _table(rows: list[Row], canvas: Canvas, *, per_second: bool) -> list[str]:
    shown = list(range(len(_COLUMNS)))
    titles = [_title(column.title, per_second=per_second) for column in _COLUMNS]
    widths = [_width(titles[index], rows, index) for index in shown]
    while canvas.width and _total(widths, shown) > canvas.width and any(_COLUMNS[index].rank for index in shown):
        shown.remove(max(shown, key=lambda index: _COLUMNS[index].rank))
    head = "  " + _GAP.join(_pad(titles[index], widths[index], _COLUMNS[index]) for index in shown)
    lines = [canvas.pen(_fit(head.rstrip(), canvas), "dim")]
    indent = " " * (2 + sum(widths[index] + len(_GAP) for index in shown[: shown.index(2)]))
    for row in rows:
        lines.append(_drawn(row, shown, widths, canvas))
        if row.note:
            lines.append(canvas.pen(_fit(indent + row.note, canvas), "dim"))
    return lines


def _title(title: str, *, per_second: bool) -> str:
    return {"received": "in", "sent": "out"}.get(title, title) if per_second else title


def _width(title: str, rows: list[Row], index: int) -> int:
    """What the widest cell takes; a last cell may hang over, so it does not count."""
    cells = [row.cells[index] for row in rows if len(row.cells) > index and len(row.cells) == len(_COLUMNS)]
    short = [row.cells[index] for row in rows if index < len(row.cells) - 1]
    return max(columns(text) for text in (title, *cells, *short))


def _total(widths: list[int], shown: list[int]) -> int:
    return 2 + sum(widths[index] for index in shown) + len(_GAP) * (len(shown) - 1)


def _drawn(row: Row, shown: list[int], widths: list[int], canvas: Canvas) -> str:
    cells = [_pad(row.cells[index], widths[index], _COLUMNS[index]) for index in shown if index < len(row.cells)]
    text = _fit(_GAP.join(cells).rstrip(), canvas, taken=2)
    mark = canvas.pen(row.mark, row.colour)
    return f"{mark} {canvas.pen(text, 'dim') if row.colour == 'dim' else text}"


def _pad(text: str, width: int, column: Column) -> str:
    space = " " * (width - columns(text))
    return space + text if column.right else text + space


def _fit(text: str, canvas: Canvas, taken: int = 0) -> str:
    return cut(text, canvas.width - taken, canvas) if canvas.width else text


def _problems(problems: list[Json], canvas: Canvas) -> list[str]:
    lines: list[str] = []
    for problem in problems:
        since = canvas.pen(clean(f"({problem['code']}, since {duration(problem['since_s'])})"), "dim")
        lines += ["", f"{canvas.pen('!', 'red', 'bold')} {clean(problem['text'])} {since}"]
        if problem["fix"]:
            lines.append(f"  {canvas.pen('fix:', 'bold')} {clean(problem['fix'])}")
    return lines
