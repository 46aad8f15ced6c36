"""The status view: who is here, direct or via whom, how fast, since when, and what is wrong.

    home  3 members  up 2 h 14 min
    laptop  10.222.7.1  fd3a::1  overlay0  UDP 27182

      peer   address     path                              NAT          rtt   jitter   loss  received     sent  since
    * vps    10.222.7.2  direct 203.0.113.9:27182          open     12.3 ms  0.40 ms    0 %    1.2 GB  20.0 MB  2 h
    ~ phone  10.222.7.9  relay via vps (trying: 61 of 99)  NAT4 +1  48.0 ms  0.40 ms  2.1 %    3.1 MB   1.1 kB  4 min
    o nas    10.222.7.3  left 3 h ago
    * direct  ~ by a relay  o gone

Drawn by hand: the table library is 25 ms of import, half of the whole command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from overlay.cli.reach import nat_brief, nat_label, tried_note, tried_words
from overlay.cli.terminal import Canvas, columns, cut
from overlay.cli.units import amount, duration, milliseconds, percent, rate
from overlay.control.protocol import Json
from overlay.logs import clean
from punch.detect.words import strategy_words

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
    Column("NAT", rank=8),
    Column("rtt", right=True, rank=1),
    Column("jitter", right=True, rank=7),
    Column("loss", right=True, rank=4),
    Column("received", right=True, rank=6),
    Column("sent", right=True, rank=5),
    Column("since", rank=3),
)

_NAT = 3
"""Its column, shown once a peer's is known."""


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
        lines += _table([_row(peer, status, canvas, rates) for peer in peers], canvas, per_second=rates is not None)
        lines.append(_legend(peers, canvas))
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
    if label := nat_label(own["nat"]):
        lines.append(canvas.pen(f"NAT: {label}", "dim"))
    return lines


def _row(peer: Json, status: Json, canvas: Canvas, rates: Rates | None) -> Row:
    path = peer["path"]
    first = (clean(peer["name"]), clean(peer["ipv4"] or peer["ipv6"] or ""))
    if peer["state"] == "gone":
        return Row(_mark("o", canvas), "dim", (*first, gone_words(peer)), "")
    note = tried_note(peer, enabled=status["punch"]["enabled"]) if path["kind"] != "direct" else ""
    if peer["state"] != "connected":
        return Row(_mark("-", canvas), "yellow", (*first, _connecting(peer, status["self"])), note)
    if path["kind"] == "none":
        return Row(_mark(".", canvas), "dim", (*first, "here by its neighbours' word; a way opens when used"), "")
    if rates is None:
        received, sent = amount(peer["rx_bytes"]), amount(peer["tx_bytes"])
    else:
        received, sent = (rate(value) for value in rates.get(peer["id"], (0.0, 0.0)))
    quality = (milliseconds(peer["rtt_ms"]), milliseconds(peer["jitter_ms"]), _loss(peer))
    direct = path["kind"] == "direct"
    way = path_words(path) + _how(peer, enabled=status["punch"]["enabled"]) + _silent(peer)
    cells = (*first, way, nat_brief(peer["nat"]), *quality, received, sent, duration(path["since_s"]))
    return Row(_mark(_plain_mark(peer), canvas), "green" if direct else "cyan", cells, note)


def _loss(peer: Json) -> str:
    """Of datagrams on the path, and where that differs, of the packets inside: `8.0 % (0.1 %)`."""
    inside = peer.get("loss_inside")
    shown = percent(peer["loss"])
    return f"{shown} ({percent(inside)})" if shown and peer["loss"] and inside is not None else shown


def gone_words(peer: Json) -> str:
    """`left 2 h ago`, `fell silent 3 min ago`, or as much of it as is known."""
    how = {"left": "left", "silent": "fell silent"}.get(str(peer.get("gone")), "")
    if how and peer.get("gone_s") is not None:
        return f"{how} {duration(peer['gone_s'])} ago"
    ago = f", last heard from {duration(peer['seen_s'])} ago" if peer["seen_s"] is not None else ""
    return f"gone{ago}"


_SILENT, _SILENT_HOLE = 30.0, 60.0
"""Seconds in which a living peer says something, through a punched hole too: keepalives go each 25 and 55 at most."""


def _silent(peer: Json) -> str:
    """Since when nothing was heard, where that is longer than it should be."""
    patience = _SILENT_HOLE if _is_punched(peer) else _SILENT
    seen = peer["seen_s"]
    return f", silent for {duration(seen)}" if seen is not None and seen > patience else ""


_SOON = 10.0
"""Seconds after the start in which nobody wonders that a member is not met yet."""


def _connecting(peer: Json, own: Json) -> str:
    """Whether it was ever met since this node started."""
    if peer["seen_s"] is not None:
        return f"connecting, last heard from {duration(peer['seen_s'])} ago"
    if own["uptime_s"] < _SOON:
        return "connecting"
    return f"connecting, not met since this node started {duration(own['uptime_s'])} ago"


def _how(peer: Json, *, enabled: bool) -> str:
    """What punching did or does, behind the path."""
    if _is_punched(peer):
        return f" (by {clean(strategy_words(peer['punch']['strategy']))})"
    return tried_words(peer, enabled=enabled) if peer["path"]["kind"] == "relay" else ""


def _is_punched(peer: Json) -> bool:
    punch = peer["punch"]
    return bool(peer["path"]["kind"] == "direct" and punch["state"] == "succeeded" and punch["strategy"])


_MARKS = {
    "*": ("\N{BLACK CIRCLE}", "direct"),
    "~": ("\N{FISHEYE}", "by a relay"),
    ".": ("\N{DOTTED CIRCLE}", "no way needed now"),
    "-": ("\N{CIRCLE WITH LEFT HALF BLACK}", "not reached"),
    "o": ("\N{WHITE CIRCLE}", "gone"),
}
"""Plain mark -> the same on a terminal that can more, and what it means."""


def _mark(plain: str, canvas: Canvas) -> str:
    return plain if canvas.plain else _MARKS[plain][0]


def _legend(peers: list[Json], canvas: Canvas) -> str:
    """What the marks in use mean."""
    used = {_plain_mark(peer) for peer in peers}
    words = [f"{_mark(plain, canvas)} {means}" for plain, (_, means) in _MARKS.items() if plain in used]
    if any("(" in _loss(peer) for peer in peers if peer["state"] == "connected"):
        words.append("loss: on the path (of the packets inside)")
    return canvas.pen(_fit(_GAP.join(words), canvas), "dim")


def _plain_mark(peer: Json) -> str:
    if peer["state"] != "connected":
        return "o" if peer["state"] == "gone" else "-"
    return {"direct": "*", "relay": "~"}.get(peer["path"]["kind"], ".")


def _table(rows: list[Row], canvas: Canvas, *, per_second: bool) -> list[str]:
    shown = [index for index in range(len(_COLUMNS)) if index != _NAT or any(_cell(row, index) for row in rows)]
    titles = [_title(column.title, per_second=per_second) for column in _COLUMNS]
    widths = [_width(title, rows, index) for index, title in enumerate(titles)]
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


def _cell(row: Row, index: int) -> str:
    return row.cells[index] if index < len(row.cells) else ""


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
