"""The data plane's figures: rounds in which every contender has its turn, medians, ratios, floor and aim."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time

from overlay.lab import Lab
from tools.bench import handshakes, solo, traffic
from tools.bench.contenders import Contender, find
from tools.bench.targets import TARGETS, Figures

PAIRED = ("tcp1", "tcp4", "udp200", "ping")
SOLO = ("relay", "start", "idle", "commands", "handshakes", "garbage")

UNITS = {"tcp1": "Gbit/s", "tcp4": "Gbit/s", "udp200": "packets/s", "ping": "us"}

Samples = dict[str, list[float]]


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench dataplane", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often every contender has its turn (3)")
    parser.add_argument("--seconds", type=int, default=3, help="how long a throughput is measured (3)")
    parser.add_argument("--idle-seconds", type=int, default=120, help="how long a node idles (120)")
    parser.add_argument("--starts", type=int, default=10, help="how often three nodes are started together (10)")
    parser.add_argument("--only", default="", help=f"measures, with commas: {','.join(PAIRED + SOLO)}")
    parser.add_argument("--wireguard-go", metavar="PATH", help="default: searched in PATH, GOBIN, ~/go/bin, /opt/gobin")
    parser.add_argument("--nebula", metavar="PATH", help="nebula; nebula-cert lies beside it")
    parser.add_argument("--easytier", metavar="PATH", help="easytier-core")
    parser.add_argument("--json", action="store_true", help="the medians as one JSON object on stdout")
    options = parser.parse_args(argv)
    options.only = options.only.split(",") if options.only else [*PAIRED, *SOLO]
    for name in options.only:
        if name not in PAIRED + SOLO:
            parser.error(f"no measure {name!r}; there are {', '.join(PAIRED + SOLO)}")
    return options


def main(argv: list[str]) -> int:
    """Measure and tell."""
    options = arguments(argv)
    named = {key: getattr(options, key) for key in ("wireguard_go", "nebula", "easytier")}
    contenders, absent = find(named)
    samples: Samples = {}
    for number in range(options.rounds):
        paired = [name for name in PAIRED if name in options.only]
        for contender in contenders if paired else ():
            _turn(contender, paired, options.seconds, samples, f"round {number + 1}/{options.rounds}")
        if "relay" in options.only:
            _keep(samples, {"relay": solo.relayed_tcp(seconds=options.seconds)}, f"round {number + 1}")
        if "garbage" in options.only:
            _keep(samples, solo.under_garbage(seconds=options.seconds), f"round {number + 1}")
    _alone(options, samples)
    figures = {name: statistics.median(values) for name, values in samples.items()}
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join([*table(contenders, figures), "", *verdicts(figures), "", *not_found(absent)]))
    return 0


def _turn(contender: Contender, measures: list[str], seconds: int, samples: Samples, when: str) -> None:
    with Lab("direct") as lab, contender.tunnel(lab) as to:
        traffic.ping(lab, to, count=5)
        for measure in measures:
            _keep(samples, {f"{measure}/{contender.name}": _measure(measure, lab, to, seconds)}, when)


def _measure(measure: str, lab: Lab, to: str, seconds: int) -> float:
    if measure == "ping":
        return traffic.ping(lab, to)
    if measure == "udp200":
        return traffic.udp200(lab, to, seconds=seconds)
    return traffic.tcp(lab, to, seconds=seconds, streams=4 if measure == "tcp4" else 1)


def _alone(options: argparse.Namespace, samples: Samples) -> None:
    if "start" in options.only:
        for _ in range(options.starts):
            _keep(samples, {"start": solo.start_to_ping()}, "start")
    if "commands" in options.only:
        _keep(samples, solo.command_times(), "commands")
    if "handshakes" in options.only:
        _keep(samples, {"handshakes": handshakes.measure()}, "handshakes")
    if "idle" in options.only:
        _keep(samples, solo.idle(seconds=options.idle_seconds), "idle")


def _keep(samples: Samples, found: Figures, when: str) -> None:
    for name, value in found.items():
        samples.setdefault(name, []).append(value)
        print(f"{time.strftime('%H:%M:%S')} {when}: {name} {value:.4g}", file=sys.stderr, flush=True)


def table(contenders: list[Contender], figures: Figures) -> list[str]:
    """One line a contender, one column a measure, as text."""
    measures = [measure for measure in PAIRED if any(name.startswith(f"{measure}/") for name in figures)]
    if not measures:
        return []
    lines = [f"{'median':14}" + "".join(f"{f'{measure} {UNITS[measure]}':>18}" for measure in measures)]
    for contender in contenders:
        cells = [figures.get(f"{measure}/{contender.name}") for measure in measures]
        lines.append(f"{contender.name:14}" + "".join(f"{number(cell):>18}" for cell in cells))
    return lines


def verdicts(figures: Figures) -> list[str]:
    """One line a target: measured, floor, aim, which is met."""
    lines = [f"{'figure':58}{'measured':>10}{'floor':>8}{'aim':>8}  met"]
    for target in TARGETS:
        value = target.value(figures)
        met = "not measured" if value is None else target.verdict(value)
        lines.append(f"{target.title:58}{number(value):>10}{target.floor:>8g}{target.aim:>8g}  {met}")
    return lines


def not_found(absent: list[str]) -> list[str]:
    """What was not measured beside us."""
    return [f"not found: {peer}" for peer in absent]


def number(value: float | None) -> str:
    """A figure with three significant digits."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
