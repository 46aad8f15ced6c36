"""`overlay why PEER`: why it is reached as it is: the relay chosen, the way not taken, what punching did."""

from __future__ import annotations

import json

import click

from overlay.cli.journal import from_first, told
from overlay.cli.options import find_node, node_options
from overlay.cli.reach import ended_words, nat_label, progress
from overlay.cli.render import gone_words, path_words, who
from overlay.cli.terminal import columns
from overlay.cli.units import duration
from overlay.cli.ways import carried_words, refused_words, way_rows
from overlay.control import client, peers
from overlay.control.protocol import Json
from overlay.logs import clean
from punch.detect.words import strategy_words


@click.command(epilog="Example: overlay why phone")
@click.argument("peer")
@node_options
def why(peer: str, network: str | None, socket: str | None, as_json: bool) -> None:
    """Why PEER (a name, an address or the start of an id) is reached as it is, and what would help.

    Which relay carries and what the others would cost; the ways known, used or not; what was measured on both sides,
    what was tried, why it ended, and what would help, the easiest first. After a success: how it got through. Costs are
    round trips with a penalty for loss and jitter.
    """
    path = find_node(network, socket)
    status = client.ask(path, {"do": "status"})
    found = peers.choose(status, peer)
    reply = client.ask(path, {"do": "why", "peer": found["id"]})
    ways, relays = reply.get("ways", []), reply.get("relays", []) if found["state"] != "gone" else []
    text = verdict(status, found, str(reply["text"] or ""), far=bool(reply.get("far")))
    text = refused_words(ways) or text if found["path"]["kind"] == "relay" else text
    fixes = _fixes(status, found, [str(each) for each in reply["fix"]])
    attempts = from_first([str(each) for each in reply["attempts"]])
    if as_json:
        told = {"peer": found["name"], "id": found["id"], "text": text, "fix": "; ".join(fixes), "fixes": fixes}
        print(json.dumps({"schema": 1, **told, "attempts": attempts, "ways": ways, "relays": relays}))
    else:
        lines = _lines(status, found, text, carried_words(relays, found["path"]["kind"]))
        print("\n".join([*lines, *_known(ways), *_happened(attempts), *_helps(fixes)]))


def verdict(status: Json, peer: Json, said: str, *, far: bool = False) -> str:
    """One sentence: how it is, and why; `said` is the engine's; `far`: it needs no session now."""
    punch, kind = peer["punch"], peer["path"]["kind"]
    if peer["state"] == "gone":
        return gone_words(peer) + (_heard(peer) if peer.get("gone_s") is not None else "")
    if kind == "none" and far:
        return (
            "nothing is sent to it now: in a large mesh each member keeps up ways to a few; one opens when it is used"
        )
    if kind == "direct":
        if punch["state"] != "succeeded":
            return said if said not in ("", "direct") else "no punching was needed: one of its addresses answered"
        return said or f"it got through by {strategy_words(punch['strategy']) or 'punching'}"
    if kind == "none":
        return said or "no way to it is known yet" + _heard(peer)
    if not status["punch"]["enabled"]:
        return said or "punching is off here"
    if punch["state"] == "running":
        asking = not (punch["planned"] or punch["probes"] or punch["strategy"])
        return "it is being asked what it is behind" if asking else f"it is being tried now: {progress(punch)}"
    return said or _PLAIN[punch["state"]]


_PLAIN = {
    "idle": "nothing was tried yet: it goes direct when used",
    "succeeded": "a hole was opened, and carries no traffic now",
    "failed": "it was tried, and nothing came through",
    "infeasible": "no search for it would end in reasonable time, so none is made",
    "off": "it is not tried: this kind of pair is switched off",
}
"""State of punching -> why the path is not direct, where the engine has no words of its own."""


def _fixes(status: Json, peer: Json, said: list[str]) -> list[str]:
    """What would help, the easiest first: what the engine `said`, with names; where it is silent, what lets it try."""
    name, own, state = clean(peer["name"]), clean(status["self"]["name"]), peer["punch"]["state"]
    if peer["state"] == "gone":
        return ["start it again there: overlay join"]
    if peer["path"]["kind"] == "direct":
        return []
    if not said and not status["punch"]["enabled"]:
        return ["overlay punch on"]
    if said or peer["path"]["kind"] != "relay":
        return [_named(each, name, own) for each in said]
    if state == "off":
        hard = [each["nat"]["type"] == "NAT4" for each in (status["self"], peer)]
        switch = f"overlay punch set {'nat4_nat4' if all(hard) else 'nat3_nat4'}=auto"
        return [_named(each, name, own) for each in (switch, f"{_THERE}{switch}")]
    return [f"overlay ping {name} --until-direct"] if state == "idle" else []


_THERE = "on their side: "
"""How a fix of the engine begins that is for the other side."""


def _named(fix: str, name: str, own: str) -> str:
    """A fix of the engine with the peer's name in it: a setting is for this pair, not for everybody."""
    there = fix.startswith(_THERE)
    command = fix.removeprefix(_THERE)
    if command.startswith("overlay punch set "):
        command += f" {own if there else name}"
    return f"on {name}: {command}" if there else command


def _heard(peer: Json) -> str:
    return f"; last heard from {duration(peer['seen_s'])} ago" if peer["seen_s"] is not None else ""


def _lines(status: Json, peer: Json, text: str, carried: str) -> list[str]:
    punch = peer["punch"]
    rows = [
        ("path", path_words(peer["path"])),
        ("because", clean(text)),
        *([("carried" if peer["path"]["kind"] == "relay" else "relays", carried)] if carried else []),
        ("here", _nat(status["self"]["nat"])),
        ("there", _nat(peer["nat"])),
    ]
    if punch["attempts"] and (punch["probes"] or punch["state"] not in ("idle", "off")):
        times = "once" if punch["attempts"] == 1 else f"{punch['attempts']} times"
        last = clean(strategy_words(punch["strategy"]))
        rows.append(("tried", f"{times}{f', last by {last}' if last else ''}, {punch['probes']:,} packets of ours"))
    if punch["state"] != "off" and punch["reason"] and (ended := ended_words(punch)):
        rows.append(("ended", ended))
    if punch["retry_s"] is not None:
        rows.append(("again", f"in {duration(punch['retry_s'])}; at once: overlay nat --again"))
    return [who(peer), *(f"  {name:<9}{words}" for name, words in rows)]


def _known(ways: list[Json]) -> list[str]:
    rows = way_rows(ways)
    width = max((columns(name) for name, _ in rows), default=0)
    lines = [f"  {name}{' ' * (width - columns(name))}  {state}" for name, state in rows]
    return ["", "Ways known:", *lines] if lines else []


def _happened(attempts: list[str]) -> list[str]:
    lines = [f"  {clean(each)}" for each in told(attempts)]
    return ["", "What happened, oldest first, in seconds from the first line:", *lines] if lines else []


def _helps(fixes: list[str]) -> list[str]:
    lines = [f"  {place}. {clean(fix)}" for place, fix in enumerate(fixes, 1)]
    return ["", "What would help, the easiest first:", *lines] if lines else []


def _nat(nat: Json) -> str:
    return nat_label(nat) or "not measured yet"
