"""`overlay ping`: one line a pong, each naming its path."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click

from overlay.cli.options import find_node, node_options
from overlay.cli.outcome import error_object
from overlay.cli.render import path_words, who
from overlay.cli.units import milliseconds
from overlay.control import client, peers
from overlay.control.protocol import Json
from overlay.errors import NoReply, NotRunning

INTERVAL_S = 1.0
SILENCE_S = 15.0
"""Without a pong, or word of a lost one, for so long, the node is stuck."""

_FIX = "overlay status says how it is reached"
_WHY = "overlay why {name} says why, and what would help"


@click.command(epilog="Example: overlay ping phone --until-direct")
@click.argument("peer")
@click.option("-c", "--count", metavar="N", type=click.IntRange(min=1), help="How many; else until Ctrl-C.")
@click.option("--until-direct", is_flag=True, help="Search for a direct path now, and end with its first pong.")
@node_options
def ping(
    peer: str, count: int | None, until_direct: bool, network: str | None, socket: str | None, as_json: bool
) -> int:
    """Ping PEER (a name, an address or the start of an id) inside the network; each pong names its path."""
    path = find_node(network, socket)
    found = peers.choose(client.ask(path, {"do": "status"}), peer)
    if until_direct:
        client.ask(path, {"do": "direct", "peer": found["id"]})
    score = Score(found, as_json=as_json)
    with contextlib.suppress(KeyboardInterrupt):
        _run(path, score, count, until_direct=until_direct)
    missed = _missed(score, until_direct=until_direct)
    score.say_total(missed)
    if missed and not as_json:
        raise missed
    return missed.exit_code if missed else 0


class Score:
    """The pongs so far, said as they come."""

    def __init__(self, peer: Json, *, as_json: bool) -> None:
        self.sent = 0
        self.direct = False
        self._rtts: list[float] = []
        self.peer = peer
        self._as_json = as_json

    @property
    def received(self) -> int:
        """How many were answered."""
        return len(self._rtts)

    def pong(self, reply: Json) -> None:
        """Count and say a pong, or a lost one (`rtt_ms` is null)."""
        rtt = reply["rtt_ms"]
        self.sent = max(self.sent, reply["seq"])
        if rtt is not None:
            self._rtts.append(rtt)
            self.direct = self.direct or reply["path"]["kind"] == "direct"
        if self._as_json:
            print(json.dumps(reply), flush=True)
        elif rtt is None:
            print(f"no pong from {who(self.peer)}: seq {reply['seq']}, {path_words(reply['path'])}", flush=True)
        else:
            words = f"seq {reply['seq']}, {milliseconds(rtt)}, {path_words(reply['path'])}"
            print(f"pong from {who(self.peer)}: {words}", flush=True)

    def say_total(self, missed: NoReply | None) -> None:
        """The last line; as JSON it also tells what was missed, so that the last line stays the last."""
        if self._as_json:
            total = {"sent": self.sent, "received": self.received}
            print(json.dumps(total | error_object(missed) if missed else total), flush=True)
            return
        text = f"{self.sent} sent, {self.received} received"
        if self._rtts:
            low, mean, high = min(self._rtts), sum(self._rtts) / len(self._rtts), max(self._rtts)
            text += f"; rtt {milliseconds(low)} least, {milliseconds(mean)} mean, {milliseconds(high)} most"
        print(text, flush=True)


def _run(path: Path, score: Score, count: int | None, *, until_direct: bool) -> None:
    request = {"do": "ping", "peer": score.peer["id"], "count": count, "interval": INTERVAL_S}
    for reply in client.stream(path, request, silence=SILENCE_S):
        if "sent" in reply:
            score.sent = reply["sent"]
            return
        score.pong(reply)
        if until_direct and score.direct:
            return
    raise NotRunning("the node ended", "start it again: overlay join")


def _missed(score: Score, *, until_direct: bool) -> NoReply | None:
    name = score.peer["name"]
    if not score.received:
        return NoReply(f"{name} did not answer", _FIX)
    if until_direct and not score.direct:
        return NoReply(f"no direct path to {name} in {score.sent} pings", _WHY.format(name=name))
    return None
