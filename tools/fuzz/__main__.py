"""`python -m tools.fuzz`: every parser, 10^6 inputs each, unless told otherwise."""

from __future__ import annotations

import argparse
import random
import sys

from tools.fuzz.run import BLOCK, inputs_of, replay, report, run
from tools.fuzz.targets import TARGETS

DEFAULT_INPUTS = 1_000_000


def main(arguments: list[str] | None = None) -> int:
    """Feed the targets; 0 if all of them bore everything."""
    options = _parser().parse_args(arguments)
    chosen = [TARGETS[name] for name in options.targets or TARGETS]
    if options.hex is not None or options.block is not None:
        borne = True
        for target in chosen:
            if options.hex is not None:
                borne &= replay(target.room(), iter([options.hex]), 1)
            else:
                borne &= replay(target.room(), inputs_of(target, options.seed, options.block), BLOCK)
        return 0 if borne else 1
    print(f"seed {options.seed}", flush=True)
    failed = False
    for target in chosen:
        outcome = run(target, inputs=options.inputs, seconds=options.seconds, seed=options.seed)
        report(outcome, options.seed)
        sys.stdout.flush()
        failed |= bool(outcome.failures)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz", description=f"Feed every parser what no honest sender sends: {', '.join(TARGETS)}."
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[*TARGETS, []], help="all, if none is named")
    parser.add_argument("--inputs", type=int, default=DEFAULT_INPUTS, help="inputs a target (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="seconds a target at most")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32), help="replays a run")
    parser.add_argument("--block", type=int, help=f"replay only this block of {BLOCK} inputs, with a traceback")
    parser.add_argument("--hex", type=bytes.fromhex, help="replay only this input, with a traceback")
    return parser


if __name__ == "__main__":
    sys.exit(main())
