"""`python -m tools.bench punch`: all rows, all contenders found, one run, side by side."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial

import msgspec

from overlay.errors import OverlayError, UsageError
from overlay.lab import scenario_names
from tools.bench.contenders import search
from tools.bench.punch import figures, rivals, table
from tools.bench.punch.ours import Us
from tools.bench.punch.rows import ROWS, Row
from tools.bench.punch.trial import Contender, Trial

_EPILOG = """examples:
  python -m tools.bench punch --runs 10
  python -m tools.bench punch --pairs nat3-nat3,uniform --runs 3 --easytier ~/easytier/easytier-core

Traffic starts 3 s after both joined. Seconds: from the first relayed ping to direct on both sides. Packets: of both
sides, all that drew from the budget since that ping; in all: since they started, measuring their NATs included (of the
others: datagrams to anybody but the public hosts). Entries: the most UDP entries alive in one NAT at once."""


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench punch", description=__doc__, epilog=_EPILOG, formatter_class=raw
    )
    parser.add_argument("--runs", type=int, default=10, help="of each pair (10)")
    parser.add_argument(
        "--others",
        type=int,
        default=1,
        help="runs of each pair by the compiled peers found; each waits up to a minute for a direct path (1; 0: none)",
    )
    parser.add_argument("--pairs", default="", help=f"with commas: {','.join(row.name for row in ROWS)}")
    parser.add_argument("--only", choices=("pairs", "figures"), help="the table alone, or the single figures alone")
    parser.add_argument("--easytier", metavar="PATH", help="easytier-core")
    parser.add_argument("--nebula", metavar="PATH", help="nebula; nebula-cert lies beside it (default: in PATH)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(argv)
    names = options.pairs.split(",") if options.pairs else [row.name for row in ROWS]
    unknown = [name for name in names if name not in {row.name for row in ROWS}]
    if unknown:
        parser.error(f"no pair {', '.join(unknown)}; there are {', '.join(row.name for row in ROWS)}")
    options.rows = [row for row in ROWS if row.name in names]
    return options


def main(argv: list[str]) -> int:
    """Measure and tell."""
    options = arguments(argv)
    others, absent = _found(options)
    found: dict[str, dict[str, table.Summary]] = {}
    for row in options.rows if options.only != "figures" else ():
        if row.scenario not in scenario_names():
            raise UsageError(f"no scenario {row.scenario!r} for the pair {row.name}")
        found[row.name] = _row(row, options.runs, options.others, others)
    single = figures.measure(_note) if options.only != "pairs" else {}
    if options.json:
        print(json.dumps({"pairs": msgspec.to_builtins(found), "figures": single}))
    else:
        pairs = table.lines(options.rows, found) if found else []
        print("\n".join([*pairs, *(figures.lines(single) if single else []), *absent]))
    return 0


def _row(row: Row, runs: int, their_runs: int, others: list[Contender]) -> dict[str, table.Summary]:
    """Every contender has its turn in every round, as long as it has runs left."""
    trials: dict[str, list[Trial]] = {}
    for number in range(max(runs, their_runs)):
        turns = {Us.name: partial(Us().run, row, number + 1)} if number < runs else {}
        if row.outcome != "off" and number < their_runs:
            for each in others:
                _note(
                    f"{row.name} {number + 1}: {each.name} has its turn too, up to a minute; --others 0 leaves it out"
                )
            turns |= {each.name: partial(rivals.run, each, row, number + 1) for each in others}
        for name, turn in turns.items():
            trial = _safely(turn)
            trials.setdefault(name, []).append(trial)
            _note(f"{row.name} {number + 1} {name}: {msgspec.json.encode(trial).decode()}")
    return {name: table.summary(each) for name, each in trials.items()}


def _safely(run: Callable[[], Trial]) -> Trial:
    """A run that broke is a run that failed: the others go on."""
    try:
        return run()
    except OverlayError as error:
        return Trial(success=False, seconds=None, packets=None, said=error.text)


def _found(options: argparse.Namespace) -> tuple[list[Contender], list[str]]:
    """The others that run here, and a line for each that was not found."""
    others: list[Contender] = []
    absent = []
    nebula = options.nebula or search("nebula")
    if options.easytier:
        others.append(rivals.EasyTier(options.easytier))
    else:
        absent.append("not found: EasyTier (name it: --easytier PATH of easytier-core)")
    if nebula:
        others.append(rivals.Nebula(nebula))
    else:
        absent.append("not found: nebula (apt-get install nebula, or --nebula PATH)")
    return others, absent


def _note(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
