"""`python -m tools.bench mesh`: every row, its rounds, one table."""

from __future__ import annotations

import argparse
import json
import sys
import time

from overlay.errors import OverlayError
from tools.bench.mesh.row import Figures, Row, Settings
from tools.bench.mesh.rows import ROWS
from tools.bench.mesh.table import Samples, Told, in_short, lines

_EPILOG = """examples:
  python -m tools.bench mesh
  python -m tools.bench mesh --only relay-killed,flushed --rounds 3
  python -m tools.bench mesh --only churn --minutes 5

rows (rounds):
"""


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    told = _EPILOG + "\n".join(f"  {row.name:20} {row.about} ({row.rounds})" for row in ROWS)
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench mesh", description=__doc__, epilog=told, formatter_class=raw
    )
    default = Settings()
    parser.add_argument("--only", default="", help="rows, with commas (all)")
    parser.add_argument("--rounds", type=int, help="of each row (each has its own)")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="of a stream that is measured (12)")
    parser.add_argument("--game-seconds", type=float, default=default.game_seconds, help="of small packets (120)")
    parser.add_argument("--idle-seconds", type=float, default=default.idle_seconds, help="of idling (60)")
    parser.add_argument("--minutes", type=float, default=default.minutes, help="of churn (30)")
    parser.add_argument("--members", type=int, default=default.members, help="real processes (30)")
    parser.add_argument("--json", action="store_true", help="all samples as one JSON object on stdout")
    options = parser.parse_args(argv)
    names = options.only.split(",") if options.only else [row.name for row in ROWS]
    unknown = [name for name in names if name not in {row.name for row in ROWS}]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(row.name for row in ROWS)}")
    options.rows = [row for row in ROWS if row.name in names]
    return options


def main(argv: list[str]) -> int:
    """Measure and tell."""
    options = arguments(argv)
    chosen = {name: getattr(options, name) for name in Settings.__struct_fields__}
    told = {row.name: measured(row, Settings(**chosen)) for row in options.rows}
    if options.json:
        print(json.dumps({name: {"samples": row.samples, "failed": row.failed} for name, row in told.items()}))
    else:
        print("\n".join(lines(list(told.values()))))
    return 0


def measured(row: Row, settings: Settings) -> Told:
    """All rounds of a row; one that breaks is told, and the others go on."""
    samples, failed = Samples(), list[str]()
    runs = settings.rounds or row.rounds
    for number in range(runs):
        found: Figures = {}
        try:
            found = row.run(settings, number + 1)
            said = " ".join(f"{name}={value:.4g}" for name, value in found.items())
        except OverlayError as error:
            failed.append(error.text)
            said = f"FAILED: {in_short(error.text)}"
        for name, value in found.items():
            samples.setdefault(name, []).append(value)
        print(f"{time.strftime('%H:%M:%S')} {row.name} {number + 1}/{runs}: {said}", file=sys.stderr, flush=True)
    return Told(goals=row.goals, samples=samples, runs=runs, failed=failed, beside=row.beside)
