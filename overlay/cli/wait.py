"""`overlay wait`: until any peer, or this one, answers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from overlay.cli.options import find_node, node_options
from overlay.cli.render import path_words, who
from overlay.control import client, peers
from overlay.control.protocol import Json
from overlay.errors import NoReply

POLL_S = 0.1
WAKE_POLLS = 10
"""Every so many of them a peer without a way is asked for one."""


@click.command(epilog="Example: overlay wait nas --direct --timeout 30")
@click.argument("peer", required=False)
@click.option(
    "--direct",
    is_flag=True,
    help="Until the path is direct; with PEER the search for one starts now.",
)
@click.option("--timeout", metavar="S", type=click.FloatRange(min=0), help="Give up after S seconds (exit code 4).")
@node_options
def wait(
    peer: str | None, direct: bool, timeout: float | None, network: str | None, socket: str | None, as_json: bool
) -> None:
    """Wait until any peer, or PEER (it need not be known yet), answers."""
    path = find_node(network, socket)
    asked, polls = False, 0
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        snapshot = client.ask(path, {"do": "status"})
        found = _answering(snapshot, peer, direct=direct)
        if found is not None:
            break
        if direct and peer is not None and not asked:
            asked = _ask_direct(path, snapshot, peer)
        if peer is not None and not polls % WAKE_POLLS:
            _wake(path, snapshot, peer)
        polls += 1
        if until is not None and time.monotonic() >= until:
            raise NoReply(
                _waited_for(snapshot, peer, direct=direct, seconds=timeout or 0), _fix(snapshot, peer, direct=direct)
            )
        time.sleep(POLL_S if until is None else min(POLL_S, max(0.0, until - time.monotonic())))
    print(json.dumps({"schema": 1, "peer": found}) if as_json else f"{who(found)} answers, {path_words(found['path'])}")


def _answering(snapshot: Json, word: str | None, *, direct: bool) -> Json | None:
    """The first peer that answers as asked.

    Raises:
        NoSuchPeer: several are meant.
    """
    if word is None:
        wanted: list[Json] = snapshot["peers"]
    elif peers.matching(snapshot, word) or peers.is_self(snapshot, word):
        wanted = [peers.choose(snapshot, word)]
    else:
        wanted = []
    ways = ("direct",) if direct else ("direct", "relay")
    return next((peer for peer in wanted if peer["state"] == "connected" and peer["path"]["kind"] in ways), None)


def _wake(path: Path, snapshot: Json, word: str) -> None:
    """Let a member that is here and has no way get one: in a large mesh a session opens when it is used."""
    found = peers.matching(snapshot, word)
    if len(found) == 1 and found[0]["state"] == "connected" and found[0]["path"]["kind"] == "none":
        client.ask(path, {"do": "wake", "peer": found[0]["id"]})


def _ask_direct(path: Path, snapshot: Json, word: str) -> bool:
    """Let the node search for a direct path, once the peer is known; False if it is not yet."""
    found = peers.matching(snapshot, word)
    if len(found) == 1:
        client.ask(path, {"do": "direct", "peer": found[0]["id"]})
    return len(found) == 1


def _fix(snapshot: Json, word: str | None, *, direct: bool) -> str:
    if word is not None and not peers.matching(snapshot, word):
        return "overlay status shows who is here; is it started there, with the same network and secret?"
    if not direct or word is None:
        return "overlay status shows how each peer is reached"
    return f"overlay why {word} says why, and what would help"


def _waited_for(snapshot: Json, word: str | None, *, direct: bool, seconds: float) -> str:
    if word is not None and not peers.matching(snapshot, word):
        return f"no peer {word} appeared within {seconds:g} s"
    return f"{word or 'no peer'} {_DID[direct, word is None]} within {seconds:g} s"


_DID = {
    (False, False): "did not answer",
    (False, True): "answered",
    (True, False): "was not reached directly",
    (True, True): "was reached directly",
}
"""(directly?, anybody?) -> what did not come about."""
