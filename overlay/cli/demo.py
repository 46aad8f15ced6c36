"""`overlay demo`: the main job, live, in network namespaces of this machine."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from overlay.cli.units import amount, milliseconds
from overlay.errors import OverlayError
from overlay.lab import Lab, LabNode, Process
from overlay.lab.stage import check_host
from punch.detect.words import strategy_words

Json = dict[str, Any]
"""One parsed JSON object."""

Statuses = dict[str, Json]
"""Host -> what `overlay status` says there."""

SCENARIO = "two-nat"
HOSTS = ("vps", "anna", "ben")
PUNCHED = "nat3-numgen"
"""The second scene: its NATs can be passed."""
DIRECT_S = 20.0
"""By then anna and ben have a direct path in it, or the demo fails."""
MEET_S = 20.0
"""By then everybody sees everybody, or the demo fails."""
TRANSFER_S = 3
PORT = 5201
REFRESH_S = 0.25

STORY = """Three hosts that share nothing but a name and a secret become one private network.

\b
    anna --- home router (a random port a flow) ---+
                                                   +--- internet --- vps
    ben  --- home router (a random port a flow) ---+

Anna and ben know only the address of vps, a public node. It carries their sealed traffic; then a ping and a short
transfer go from anna to ben. In a second scene anna's NAT lets in whom she wrote to (NAT3) and ben's counts its ports
up (NAT4): the first ping goes by vps, and a moment later the punch engine has found a direct path. A second public
node, vps2, is there so that both can tell what NAT they are behind: that shows from two addresses only.

Everything runs in network namespaces of this machine, which takes root, and is gone afterwards. The exit code is 0
only when all that is told was true."""


class Screen(Protocol):
    """Where the story is told."""

    def say(self, text: str) -> None:
        """One sentence."""

    def show(self, statuses: Statuses) -> None:
        """How the network stands now."""


class Quiet:
    """Tells nothing: the JSON at the end says it all."""

    def say(self, text: str) -> None:
        """Nothing."""

    def show(self, statuses: Statuses) -> None:
        """Nothing."""


class Lines:
    """Plain lines, for pipes and logs; a change of path is a line."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], str] = {}

    def say(self, text: str) -> None:
        """The sentence, at once."""
        click.echo(text)

    def show(self, statuses: Statuses) -> None:
        """A line for each pair whose path changed."""
        for host, peer in pairs(statuses):
            way = path_words(peer)
            if self._seen.get((host, peer["name"])) != way:
                self._seen[host, peer["name"]] = way
                self.say(f"  {host} -> {peer['name']}: {way}")


class Moving:
    """A live table below the sentences, for terminals."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def say(self, text: str) -> None:
        """The sentence, above the table."""
        self._live.console.print(text, highlight=False, markup=False)

    def show(self, statuses: Statuses) -> None:
        """The table, anew."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("host", "address", "sees", "state", "path", "RTT", "in", "out"):
            table.add_column(column, justify="right" if column in ("RTT", "in", "out") else "left")
        for host, peer in pairs(statuses):
            rtt = milliseconds(peer["rtt_ms"])
            own = statuses[host]["self"]["ipv4"] or ""
            traffic = (amount(peer["rx_bytes"]), amount(peer["tx_bytes"]))
            table.add_row(host, own, peer["name"], peer["state"], path_words(peer), rtt, *traffic)
        self._live.update(table, refresh=True)


def pairs(statuses: Statuses) -> list[tuple[str, Json]]:
    """Every host with every peer it shows."""
    return [(host, peer) for host, status in statuses.items() for peer in status["peers"]]


def path_words(peer: Json) -> str:
    """`direct 1.2.3.4:5`, `relay via vps`, or how far it is."""
    path = peer["path"]
    if path["kind"] == "relay":
        return f"relay via {', '.join(path['via'])}"
    return f"direct {path['endpoint']}" if path["kind"] == "direct" else str(peer.get("state", "no path"))


class Watcher:
    """Asks all nodes how they are, a few times a second, and shows it, in a thread of its own."""

    def __init__(self, nodes: dict[str, LabNode], screen: Screen) -> None:
        self._nodes = nodes
        self._screen = screen
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._statuses: Statuses = {}
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def wait(self, what: str, holds: Callable[[Statuses], bool], *, timeout: float) -> None:
        """Wait until the statuses are as wanted.

        Raises:
            OverlayError: they did not come to be within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self._statuses), timeout):
                raise OverlayError(f"within {timeout:g} s not so: {what}")

    def _watch(self) -> None:
        while not self._over.wait(REFRESH_S if len(self._statuses) == len(self._nodes) else 0.02):
            found = {}
            for host, node in self._nodes.items():
                with contextlib.suppress(OverlayError):
                    found[host] = node.status()
            self._screen.show(found)
            with self._changed:
                self._statuses = found
                self._changed.notify_all()


class Demo:
    """The story, its steps checked as they are told."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._began = time.monotonic()
        self._report: Json = {"schema": 1, "steps": [], "ping": None, "transfer": None, "punch": None}

    def play(self) -> Json:
        """Tell all of it; returns what was told and measured.

        Raises:
            OverlayError: something of it was not true; everything is cleaned up all the same.
        """
        with Lab(SCENARIO) as lab:
            self._tell(lab)
        with Lab(PUNCHED) as lab:
            self._tell_punched(lab)
        self._say("Everything is cleaned up.")
        return self._report

    def _tell(self, lab: Lab) -> None:
        self._say(lab.scenario.title)
        self._say("A second public node, vps2, joins too: what a NAT does shows only when two addresses are asked.")
        nodes = self._join(lab)
        with Watcher(nodes, self._screen) as watcher:
            self._meet(watcher)
            self._ping(nodes)
            self._transfer(lab, nodes)
        self._leave(nodes)

    def _tell_punched(self, lab: Lab) -> None:
        self._say(lab.scenario.title)
        self._say("A second public node, vps2, joins too: what a NAT does shows only when two addresses are asked.")
        nodes = self._start(lab)
        with Watcher(nodes, self._screen) as watcher:
            watcher.wait("anna and ben see each other", meet_and_know, timeout=MEET_S)
            self._say(f"anna pings ben: {self._one_ping(nodes['anna'])}")
            self._punch(nodes)
        self._leave(nodes)

    def _punch(self, nodes: dict[str, LabNode]) -> None:
        """From the ping by the relay, which was traffic enough to start the engines, to a direct path."""
        began = time.monotonic()
        done = nodes["anna"].command("wait", "ben", "--direct", "--timeout", f"{DIRECT_S:g}")
        if done.returncode:
            raise OverlayError(f"no direct path from anna to ben within {DIRECT_S:g} s: {done.stdout}{done.stderr}")
        took = time.monotonic() - began
        self._say(f"anna pings ben: {self._one_ping(nodes['anna'])}")
        found = {host: nodes[host].peer(other) or {} for host, other in (("anna", "ben"), ("ben", "anna"))}
        strategy = found["anna"]["punch"]["strategy"] or ""
        packets = sum(peer["punch"]["probes"] for peer in found.values())
        self._report["punch"] = {"seconds": round(took, 3), "packets": packets, "strategy": strategy}
        self._say(
            f"Direct {took:.1f} s after the first ping, by {strategy_words(strategy)}, {packets} packets of both."
        )

    def _one_ping(self, node: LabNode) -> str:
        """A pong in words."""
        done = node.command("ping", "ben", "-c", "1", "--json")
        pong = json.loads(done.stdout.splitlines()[0]) if done.stdout else {}
        if done.returncode or not pong.get("rtt_ms"):
            raise OverlayError(f"overlay ping ben ended with {done.returncode}: {done.stdout}{done.stderr}")
        return f"{milliseconds(pong['rtt_ms'])}, {path_words(pong)}"

    def _say(self, text: str) -> None:
        """Tell a sentence that is true."""
        at = time.monotonic() - self._began
        self._report["steps"].append({"at_s": round(at, 3), "text": text})
        self._screen.say(f"{at:5.1f} s  {text}")

    def _join(self, lab: Lab) -> dict[str, LabNode]:
        nodes = self._start(lab)
        server = lab.address("vps")
        self._say(f"All three run `overlay join --network demo --secret ...`; anna and ben dial {server} (vps).")
        return nodes

    def _start(self, lab: Lab) -> dict[str, LabNode]:
        """A node on every host of the scene."""
        secret, server = secrets.token_urlsafe(16), lab.address("vps")
        nodes = {
            host: LabNode(lab, host, network="demo", secret=secret, peers=() if host == "vps" else (server,))
            for host in lab.scenario.hosts
        }
        for node in nodes.values():
            node.start()
        return nodes

    def _meet(self, watcher: Watcher) -> None:
        began = time.monotonic()
        watcher.wait("all three see each other", all_meet, timeout=MEET_S)
        took = time.monotonic() - began
        self._say(f"After {took:.2f} s all three see each other; anna and ben by a relay: vps carries, sealed.")

    def _ping(self, nodes: dict[str, LabNode]) -> None:
        done = nodes["anna"].command("ping", "ben", "-c", "3", "--json")
        if done.returncode:
            raise OverlayError(f"overlay ping ben ended with {done.returncode}: {done.stdout}{done.stderr}")
        *pongs, total = [json.loads(line) for line in done.stdout.splitlines()]
        for pong in pongs:
            if (pong["path"]["kind"], pong["path"]["via"]) != ("relay", ["vps"]):
                raise OverlayError(f"a pong came by another path than the relay: {pong}")
            self._say(f"anna pings ben: {pong['rtt_ms']:.2f} ms, relay via {', '.join(pong['path']['via'])}")
        if total["received"] != 3:
            raise OverlayError(f"only {total['received']} of 3 pings were answered")
        self._report["ping"] = {"pongs": pongs, **total}

    def _transfer(self, lab: Lab, nodes: dict[str, LabNode]) -> None:
        to = nodes["ben"].status()["self"]["ipv4"]
        measure = iperf3 if shutil.which("iperf3") else own_transfer
        moved, seconds = measure(lab, to)
        if not moved or not seconds:
            raise OverlayError("nothing arrived in the transfer")
        rate = moved * 8 / seconds
        self._report["transfer"] = {"bytes": moved, "seconds": seconds, "bits_per_second": rate}
        self._say(f"anna sends ben {amount(moved)} in {seconds:.1f} s, over the relay: {rate / 1e9:.2f} Gbit/s.")

    def _leave(self, nodes: dict[str, LabNode]) -> None:
        for host in reversed(nodes):
            done = nodes[host].command("leave")
            if done.returncode:
                raise OverlayError(f"overlay leave on {host} ended with {done.returncode}: {done.stderr}")
            self._wait_end(host, nodes[host].process)
        self._say("All of them left politely.")

    def _wait_end(self, host: str, process: Process | None) -> None:
        code = process.wait(timeout=5) if process else None
        if code != 0:
            raise OverlayError(f"join on {host} ended with {code}: {process.err if process else ''}")


def all_meet(statuses: Statuses) -> bool:
    """Everybody connected to everybody, anna and ben to each other by a relay over vps."""
    seen = {(host, peer["name"]): peer for host, peer in pairs(statuses) if peer["state"] == "connected"}
    wanted = [(host, other) for host in HOSTS for other in HOSTS if other != host]
    if not all(pair in seen and seen[pair]["path"]["kind"] != "none" for pair in wanted):
        return False
    return all(seen[pair]["path"]["via"] == ["vps"] for pair in (("anna", "ben"), ("ben", "anna")))


def meet_and_know(statuses: Statuses) -> bool:
    """Anna and ben are connected, and each knows what NAT it is behind."""
    seen = {(host, peer["name"]): peer["state"] for host, peer in pairs(statuses)}
    if any(seen.get(pair) != "connected" for pair in (("anna", "ben"), ("ben", "anna"))):
        return False
    return all(statuses[host]["self"]["nat"]["type"] != "unknown" for host in ("anna", "ben"))


def iperf3(lab: Lab, to: str) -> tuple[int, float]:
    """Bytes and seconds of one TCP stream from anna to ben's address `to`, by iperf3."""
    server = lab.spawn("ben", ["iperf3", "-s", "-1", "-B", to, "-p", str(PORT), "--forceflush"])
    server.wait_for("listening")
    done = lab.run("anna", ["iperf3", "-c", to, "-p", str(PORT), "-t", str(TRANSFER_S), "-J"], timeout=20)
    received = json.loads(done.stdout)["end"]["sum_received"]
    return int(received["bytes"]), float(received["seconds"])


def own_transfer(lab: Lab, to: str) -> tuple[int, float]:
    """The same without iperf3."""
    python = [sys.executable, "-m", "overlay.lab.transfer"]
    server = lab.spawn("ben", [*python, "receive", to, str(PORT)])
    server.wait_for("ready")
    lab.run("anna", [*python, "send", to, str(PORT), str(TRANSFER_S)], timeout=20)
    server.wait(timeout=10)
    counted = json.loads(server.out.splitlines()[-1])
    return int(counted["bytes"]), float(counted["seconds"])


def play_live() -> None:
    """Tell it on a terminal."""
    with Live(console=Console(), auto_refresh=False) as live:
        Demo(Moving(live)).play()


@click.command(help=STORY, epilog="Example: sudo overlay demo")
@click.option("--json", "as_json", is_flag=True, envvar="OVERLAY_JSON", help="One JSON object at the end, no story.")
def demo(as_json: bool) -> None:
    """Play it.

    Raises:
        NotPermitted: it takes root.
        OverlayError: `ip` or `nft` is not installed, or something told was not true.
    """
    check_host("overlay demo")
    if as_json:
        click.echo(json.dumps(Demo(Quiet()).play()))
    elif sys.stdout.isatty():
        play_live()
    else:
        Demo(Lines()).play()
