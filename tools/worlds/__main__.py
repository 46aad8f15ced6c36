"""`python -m tools.worlds`: hunt for a seed that breaks an invariant; replay one, and shrink its script."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from contextlib import closing
from types import FrameType

from punch.sim.journal import Journal
from tools.worlds.conversation import Words
from tools.worlds.faults import table
from tools.worlds.hunt import hunt
from tools.worlds.plan import KINDS, Plan, plan
from tools.worlds.shrink import shrink
from tools.worlds.story import Outcome, Story, live

EXAMPLE = """example:
  python -m tools.worlds --seeds 1000                        worlds of all everyday kinds, from seed 0
  python -m tools.worlds --kind small --seed 7               one of them, with its conversation
  python -m tools.worlds --kind small --seed 7 --only 2,5    the same with two of its faults alone
  python -m tools.worlds --kind small --seed 7 --shrink      the fewest faults that break it
"""
PROGRESS = 10.0
"""Seconds between two lines about how far the hunt is."""
SHOWN = 10
"""Broken worlds that are shrunk and told in full; of the others, the line with their command."""
LINES = 120
"""Lines of a conversation."""


def main(arguments: list[str] | None = None) -> int:
    """Run; 0 if every invariant held, 1 if one broke, 130 if it was interrupted."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.seed is not None:
            return _replay(options)
        return _hunt(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends it as Ctrl-C does."""
    raise KeyboardInterrupt


def _hunt(options: argparse.Namespace) -> int:
    seeds = range(options.start, options.start + options.seeds)
    words: Counter[str] = Counter()
    broken: list[Outcome] = []
    slowest: Outcome | None = None
    came = sent = 0
    began = told = time.monotonic()
    with closing(hunt(options.kind, seeds, jobs=min(options.jobs, len(seeds)))) as outcomes:
        for outcome in outcomes:
            words[outcome.word or "held"] += 1
            came, sent = came + outcome.came, sent + outcome.sent
            if outcome.healed is not None and (slowest is None or outcome.healed > (slowest.healed or 0.0)):
                slowest = outcome
            if outcome.word:
                broken.append(outcome)
                print(line(outcome), flush=True)
            if time.monotonic() - told > PROGRESS:
                told = time.monotonic()
                print(
                    f"{sum(words.values())} of {len(seeds)} worlds, {len(broken)} broken", file=sys.stderr, flush=True
                )
    for outcome in broken[: options.show]:
        _explain(plan(outcome.kind, outcome.seed), outcome)
    spent = time.monotonic() - began
    print(f"{sum(words.values())} worlds of kind {options.kind} from seed {options.start} in {spent:.0f} s:", end=" ")
    print(", ".join(f"{word} {count}" for word, count in sorted(words.items())))
    print(f"packets: {came} of {sent} came, none twice" if not broken else f"packets: {came} of {sent} came")
    if slowest is not None:
        print(f"longest until all reached all: {slowest.healed:.1f} s ({command(slowest.kind, slowest.seed)})")
    return 1 if broken else 0


def _replay(options: argparse.Namespace) -> int:
    script = plan(options.kind, options.seed)
    only = None if options.only is None else tuple(int(each) for each in options.only.split(",") if each)
    if options.shrink:
        outcome = live(script)
        if outcome.word:
            _explain(script, outcome)
        else:
            print("no invariant broke: there is nothing to shrink")
        return 1 if outcome.word else 0
    print(head(script))
    print(table(script.faults, only))
    outcome = _told(script, only)
    print(f"digest {outcome.digest}")
    print(line(outcome) if outcome.word else f"every invariant held; all reached all after {outcome.healed:.1f} s")
    return 1 if outcome.word else 0


def _explain(script: Plan, outcome: Outcome) -> None:
    """The shortest script that breaks the same, with its conversation."""
    kept = shrink(script, outcome.word) if outcome.word != "died" else tuple(range(len(script.faults)))
    print()
    print(head(script))
    print(table(script.faults, kept))
    again = _told(script, kept)
    print(f"{again.word or outcome.word}: {again.text or outcome.text}")
    print(f"at {again.at:.3f} s; {command(script.kind, script.seed)} --only {','.join(map(str, kept))}", flush=True)


def _told(script: Plan, only: tuple[int, ...] | None) -> Outcome:
    """Live it once more and draw its conversation."""
    words = Words()
    story = Story(script, only=only, journal=Journal(keep=4 * LINES, describe=words.describe), words=words)
    outcome = story.live()
    print(story.journal.mermaid(last=LINES))
    return outcome


def head(script: Plan) -> str:
    """Who lives where, and what never passes."""
    rows = [f"world of kind {script.kind}, seed {script.seed}; calm at {script.calm:.1f} s, bound {script.bound:g} s"]
    for place in script.places:
        lies = f", lies: {' '.join(place.lies)}" if place.lies else ""
        rows.append(f"    {place.name}: {place.nat}, told {' '.join(place.peers) or 'nobody'}{lies}")
    if script.walls:
        rows.append("    walls: " + ", ".join(f"{a}-{b}" for a, b in script.walls))
    return "\n".join(rows)


def command(kind: str, seed: int) -> str:
    """What replays a world."""
    return f"python -m tools.worlds --kind {kind} --seed {seed}"


def line(outcome: Outcome) -> str:
    """A broken world in one line, or as many as its traceback has."""
    return f"BROKEN {outcome.word}: {outcome.text} (at {outcome.at:.3f} s; {command(outcome.kind, outcome.seed)})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.worlds",
        description="Meshes of whole nodes in virtual time, under faults from a seed: what must hold is checked after"
        " every step, and a world in which it does not is told with the command that replays it.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="worlds (default: %(default)s)")
    parser.add_argument("--from", type=int, default=0, dest="start", metavar="S", help="first seed (default: 0)")
    parser.add_argument("--seed", type=int, metavar="S", help="one world alone, with its conversation")
    parser.add_argument(
        "--kind", choices=["mixed", *KINDS], default="mixed", help="what they are like (default: mixed)"
    )
    parser.add_argument("--only", metavar="N,N", help="with --seed: only the faults with these numbers")
    parser.add_argument("--shrink", action="store_true", help="with --seed: find the fewest faults that break it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once (default: cores)")
    parser.add_argument(
        "--show", type=int, default=SHOWN, metavar="N", help="broken worlds told in full (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
