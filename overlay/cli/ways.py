"""What `why` tells of relays and ways, in words.

relays   here_ms there_ms via state    ->  via vps (48 ms + 12 ms), not nas (95 ms); hub carries for nobody
ways     kind endpoint state loss      ->  direct 203.0.113.9:5  bad: loses 12 % where vps loses 0.1 %
"""

from __future__ import annotations

from overlay.cli.units import duration, milliseconds, percent
from overlay.control.protocol import Json
from overlay.logs import clean

_MOST_OTHERS = 3
"""Relays not taken that are named."""

_STATES = {
    "used": "in use",
    "both": "in use, together with another",
    "spare": "proven, kept as a spare",
    "doubtful": "in doubt: sent there, and nothing came back",
    "bad": "bad: it did worse than a relay",
    "unproven": "not proven: nobody answered there",
}
"""State of a way -> what it means."""

_REFUSING = {"refused": "would not within the last minute", "off": "does not carry for others"}


def carried_words(relays: list[Json], kind: str) -> str:
    """Which relay carries and why: `via vps (48 ms + 12 ms), not nas (95 ms)`; on a path of another `kind`, who could;
    empty: nobody."""
    able = [each for each in relays if each["state"] in ("carries", "spare")]
    unable = [f"{clean(each['name'])} {_REFUSING[each['state']]}" for each in relays if each["state"] in _REFUSING]
    if not able:
        return "; ".join(unable[:_MOST_OTHERS])
    chosen, others = (able[0], able[1:]) if kind == "relay" else (None, able)
    named = ", ".join(f"{_via(each)} ({_sum(each)})" for each in others[:_MOST_OTHERS])
    more = f" and {len(others) - _MOST_OTHERS} more" if len(others) > _MOST_OTHERS else ""
    if chosen is None:
        text = f"{named}{more} could carry{', if this way fails' if kind == 'direct' else ''}"
    else:
        text = f"via {_via(chosen)} ({_parts(chosen)})" + (f", not {named}{more}" if named else "; no other could")
        if any(_total(each) < _total(chosen) for each in others):
            text += "; kept until another costs a third less"
    return "; ".join([text, *unable[:_MOST_OTHERS]])


def _via(relay: Json) -> str:
    """`vps`, or `vps and nas` for a way over two."""
    return clean(" and ".join(relay["via"] or [relay["name"]]))


def _parts(relay: Json) -> str:
    """What it costs to there, and on: `48 ms + 12 ms`."""
    here, there = relay["here_ms"], relay["there_ms"]
    return milliseconds(here) if there is None else f"{milliseconds(here)} + {milliseconds(there)}"


def _sum(relay: Json) -> str:
    return milliseconds(_total(relay))


def _total(relay: Json) -> float:
    return float((relay["here_ms"] or 0.0) + (relay["there_ms"] or 0.0))


def refused_words(ways: list[Json]) -> str:
    """Why the direct way that is known is not taken; empty where none is."""
    way = next((each for each in ways if each["kind"] == "direct" and each["state"] in ("bad", "doubtful")), None)
    return f"its direct way is not taken: {_state(way, ways)}" if way is not None else ""


def way_rows(ways: list[Json]) -> list[tuple[str, str]]:
    """Every way known and how it is."""
    return [(_name(way), _state(way, ways)) for way in ways]


def _name(way: Json) -> str:
    if way["kind"] == "direct":
        return clean(f"direct {way['endpoint']}")
    return clean(f"via {', '.join(way['via'])}")


def _state(way: Json, ways: list[Json]) -> str:
    words = [_STATES.get(way["state"], str(way["state"]))]
    if way["state"] == "bad" and way["loss"]:
        used = next((each for each in ways if each["state"] in ("used", "both") and each["loss"] is not None), None)
        beside = f" where {_name(used)} loses {percent(used['loss'])}" if used else ""
        words = [f"bad: loses {percent(way['loss'])}{beside}"]
    elif way["loss"]:
        words.append(f"loses {percent(way['loss'])}")
    if way["rtt_ms"] is not None:
        words.append(milliseconds(way["rtt_ms"]))
    if way.get("rests_s") is not None:
        words.append(f"tried again in {duration(way['rests_s'])}")
    if way["heard_s"] is not None and way["state"] not in ("used", "both"):
        words.append(f"last heard {duration(way['heard_s'])} ago")
    return clean(", ".join(words))
