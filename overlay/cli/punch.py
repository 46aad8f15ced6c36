"""`overlay punch`: what the engine may do and does; switched at once, until the node stops."""

from __future__ import annotations

import json
from pathlib import Path

import click

from overlay.cli.options import find_node, node_options
from overlay.cli.reach import ended_words, nat_brief, progress
from overlay.cli.render import path_words
from overlay.cli.units import duration
from overlay.config.fault import nearest
from overlay.config.keys import LEAVES
from overlay.control import client, peers
from overlay.control.protocol import PUNCH_CEILINGS, PUNCH_MODES, Json
from overlay.errors import UsageError
from overlay.logs import clean
from punch.detect.words import reason_words, strategy_words

_ACTIONS = ("on", "off", "set")
_KEYS = (*PUNCH_MODES, *PUNCH_CEILINGS)
_HOW = "overlay punch [on | off | set KEY=VALUE [PEER]]"


@click.command(epilog="Example: overlay punch set nat4_nat4=auto phone")
@click.argument("words", nargs=-1, metavar="[on | off | set KEY=VALUE [PEER]]")
@node_options
def punch(words: tuple[str, ...], network: str | None, socket: str | None, as_json: bool) -> None:
    """The punch engine: its budget, its counters, and a table of what it does for each peer.

    `off`: not one probe more, also in the middle of an attempt; direct paths stay. `set nat3_nat4=auto|always|off` and
    `set nat4_nat4=off|auto|always` hold for all peers or for PEER, `set max_pps=N` and `set max_entries=N` for all
    together. All at once, until the node stops; the config file is for ever.

    A pair is tried only if both sides allow its kind: where one has it off, set it on both devices, each naming the
    other. nat4_nat4 is off until somebody sets it.
    """
    action, key, value, peer = _read(words)
    path = find_node(network, socket)
    if action != "show":
        client.ask(path, _request(path, action, key, value, peer))
    status = client.ask(path, {"do": "status"})
    if as_json:
        shown = [{name: each[name] for name in ("id", "name", "nat", "punch")} for each in status["peers"]]
        print(json.dumps({"schema": 1, **status["punch"], "peers": shown}))
    else:
        said = [] if action == "show" else [_done(action, key, value, peer, str(status["self"]["name"]))]
        print("\n".join([*said, *_lines(status)]))


def _read(words: tuple[str, ...]) -> tuple[str, str | None, str | int | None, str | None]:
    """Action, key, value and peer's word.

    Raises:
        UsageError: they make no sense; the nearest valid name is told.
    """
    if not words:
        return "show", None, None, None
    action, rest = words[0], words[1:]
    if action not in _ACTIONS:
        raise UsageError(f"punch knows no {action!r}{_meant(action, _ACTIONS)}", _HOW)
    if action != "set":
        if rest:
            raise UsageError(f"punch {action} takes no {rest[0]!r}: it holds for all peers", _FOR_ONE)
        return action, None, None, None
    if not 1 <= len(rest) <= 2 or "=" not in rest[0]:
        raise UsageError("punch set takes KEY=VALUE, and a PEER where it is for one", _HOW)
    key, _, text = rest[0].partition("=")
    key = key.strip().replace("-", "_").removeprefix("punch.")
    if key not in _KEYS:
        raise UsageError(f"unknown key {key!r}; expected one of {', '.join(_KEYS)}{_meant(key, _KEYS)}", _HOW)
    peer = rest[1] if len(rest) == 2 else None
    if peer is not None and key in PUNCH_CEILINGS:
        raise UsageError(f"{key} holds for all peers together", f"leave out {peer}")
    return action, key, _value(key, text.strip()), peer


_FOR_ONE = "for one peer: overlay punch set nat3_nat4=off PEER"


def _value(key: str, text: str) -> str | int:
    leaf = LEAVES[f"punch.{key}"]
    value = leaf.read(text)
    try:
        found: str | int = leaf.convert(value)
    except ValueError:
        said = f"{key}={text}: expected {leaf.expected(typed=True)}{_meant(text, leaf.words())}"
        raise UsageError(said, _HOW) from None
    return found


def _meant(word: str, known: tuple[str, ...] | list[str]) -> str:
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""


def _request(path: Path, action: str, key: str | None, value: str | int | None, peer: str | None) -> Json:
    chosen = peers.choose(client.ask(path, {"do": "status"}), peer)["id"] if peer is not None else None
    return {"do": "punch", "action": action, "key": key, "value": value, "peer": chosen}


def _done(action: str, key: str | None, value: str | int | None, peer: str | None, own: str) -> str:
    what = f"punching is {action}" if key is None else f"{key} is {value} {f'for {clean(peer)}' if peer else 'now'}"
    lines = [f"done: {what}, until the node stops"]
    if key in PUNCH_MODES and value != "off":
        where = f"{clean(peer)}: overlay punch set {key}={value} {clean(own)}" if peer else "every other device"
        lines.append(f"  both sides have to allow it; unless it is allowed there, do the same on {where}")
    return "\n".join([*lines, ""])


def _lines(status: Json) -> list[str]:
    engine = status["punch"]
    switch = "on" if engine["enabled"] else "off"
    lines = [
        f"punching is {switch}; nat3_nat4 {engine['nat3_nat4']}, nat4_nat4 {engine['nat4_nat4']}",
        f"  budget    {engine['entries_live']:,} of {engine['max_entries']:,} NAT table entries in use; "
        f"at most {engine['max_pps']:,} packets a second",
        f"  counters  {engine['probes_sent']:,} probes sent, {engine['probes_received']:,} received; "
        f"{engine['measured']:,} packets to measure our own NAT",
        "",
    ]
    shown = [peer for peer in status["peers"] if peer["state"] != "gone"]
    if not shown:
        return [*lines, "nobody else is here yet"]
    rows = [("peer", "NAT", "path", "punching"), *(_row(peer) for peer in shown)]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    return lines + [
        "  ".join((*(f"{row[place]:<{widths[place]}}" for place in range(3)), row[3])).rstrip() for row in rows
    ]


def _row(peer: Json) -> tuple[str, str, str, str]:
    return clean(peer["name"]), nat_brief(peer["nat"]) or "?", path_words(peer["path"]), _state(peer)


def _state(peer: Json) -> str:
    """What it does for one peer, in a few words."""
    found = peer["punch"]
    state = str(found["state"])
    if state == "idle":
        return "not needed" if peer["path"]["kind"] == "direct" else _idle(found)
    if state == "running":
        return f"trying: {progress(found)}"
    words = state
    if state == "succeeded" and found["strategy"]:
        words += f" by {clean(strategy_words(found['strategy']))}, {found['probes']:,} packets"
    elif ended := ended_words(found):
        words = ended
    if found["attempts"] > 1:
        words += f", {found['attempts']} attempts"
    return words + (f", again in {duration(found['retry_s'])}" if found["retry_s"] is not None else "")


_WAITING = ("busy", "peer_busy", "network_changed", "peer_changed", "unmeasured")
"""Reasons for which nothing is tried now, though it will be."""


def _idle(punch: Json) -> str:
    """Nothing is tried, and why."""
    waits = punch["reason"] in _WAITING
    return f"not now: {reason_words(punch['reason'])}" if waits else "goes direct when used"
