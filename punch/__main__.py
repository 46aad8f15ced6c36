"""`python -m punch detect | knock | simulate`: the engine alone, without the overlay."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing

import anyio
import msgspec

from punch.driver import Detected, Hole, KnockFailed, clock, detect, knock, stdin_lines
from punch.driver.simulating import ALL, EVERYDAY, TIMED, by_chance, cells, read_pairs, success, worlds_a_minute
from punch.sim.matrix import HEAD
from punch.sim.meeting import Terms

_KNOCK = """example, through a pipe:
  mkfifo to-anna to-ben
  python -m punch knock --server stun.example.org < to-anna > to-ben      (on anna's side)
  python -m punch knock --server stun.example.org > to-anna < to-ben      (on ben's side; the order counts)

example, across hosts:
  socat EXEC:'python -m punch knock --server stun.example.org' \\
        EXEC:'ssh ben python -m punch knock --server stun.example.org'

By hand: start it on both hosts, copy every line that one prints and paste it to the other, until both say that the
hole is there. That does between NAT1..NAT3 at the speed of a person, because the engine's clock then goes slower;
where one side is NAT4 the lines of the search should arrive within some 20 seconds.

Keys: probes carry a MAC whose key both sides derive from the random token in each one's first line. Whoever reads
the lines could forge probes; with the same --secret on both sides (or in PUNCH_SECRET, which `ps` does not show) it
takes the secret as well. Whoever pastes the lines stands for them: the other side's address is taken as named there.

Lines go to stdout, words for people to stderr. The last line, {"hole": ADDRESS, ...}, and exit code 0 come only after
a hello went through the hole and back; otherwise it is 1, with the reason."""
_SIMULATE = """example:
  python -m punch simulate --pairs nat3:nat4-uniform,nat3:nat4-block-1024 --seeds 200 --jobs 2
  python -m punch simulate --pairs nat3 --loss 0.02 --delay 0.03

Every pair meets in a world of its own for each seed, in virtual time. Seconds: from the beginning of traffic to direct
on both sides. Packets: of both sides, that drew from the budget meanwhile. Entries: the most alive in any NAT.
Else: why the others did not get direct, and how many. infeasible: no search would end in time, and nothing was sent;
exhausted: all was tried and nothing came through; too_late: not within a minute of traffic; blocked: no UDP.

Kinds of NAT (without --pairs those marked * meet each other):
  open*  blocked            a public address; no UDP goes through
  nat1*  nat2*  nat3*       lets in anybody; addresses it wrote to; address and port it wrote to. They keep ports, but
                            -uniform draws them at random, -sequential counts, -parity keeps even and odd apart;
                            -poisonable: a packet nobody asked for spoils the port; -reject answers it with an error;
                            -hairpin: two hosts behind it meet by its outside address
  adm*  adm-sequential      one outside port for each address (ADM); at random, or counting
  nat4-preserving*          one outside port for each address and port (symmetric), and so all below; the inside port
  nat4-sequential*          counts by 1; -down by -1, -two by 2, -eight by 8; -fifty, -busy: others take 50, 100/s
  nat4-block-1024*          at random within a block of so many ports; -512, -4096
  nat4-uniform*             at random; -parity: even stays even
  nat4-arbitrary            at random, and each from one of four outside addresses
  nat4-cluster              near the last one
  cgn-block*                a home router behind a carrier's NAT that gives out blocks; -preserving, -sequential, ...
  and some that no model fits or that make it hard; a wrong name shows them all"""
_DETECT = """example:
  python -m punch detect --server stun.example.org --server 192.0.2.10:3478

One RFC 5780 server (two addresses) or two servers that answer on two ports each decide the most."""


def main(argv: list[str]) -> int:
    """Run one command; 0: done, 1: failed as told, 2: usage."""
    parser = argparse.ArgumentParser(prog="python -m punch", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_knock(_command(commands, "knock", "a direct UDP hole to whoever exchanges lines with us", _KNOCK))
    _add_detect(_command(commands, "detect", "what NAT am I behind", _DETECT))
    _add_simulate(_command(commands, "simulate", "the matrix of all pairs of NATs, simulated", _SIMULATE))
    options = parser.parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except BrokenPipeError:
        _hush()
        return 0
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        print(f"punch: {said}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt:
        return 130


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, does: str, epilog: str
) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, help=does, description=does, epilog=epilog, formatter_class=raw)


def _add_detect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", action="append", required=True, metavar="HOST[:PORT]", help="a STUN server")
    parser.add_argument("--port", type=int, default=0, help="local UDP port (any; the one above it is used too)")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="S", help="seconds at most (5)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=_detect)


def _detect(options: argparse.Namespace) -> int:
    found = detect(options.server, timeout=options.timeout, port=options.port)
    for each in found.lost:
        _note(f"punch: {each}; the other servers were asked")
    if options.json:
        print(json.dumps(msgspec.to_builtins(found)))
    else:
        print("\n".join(_told(found)))
    return 1 if found.profile.type in ("unknown", "blocked") else 0


def _add_knock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", action="append", required=True, metavar="HOST[:PORT]", help="a STUN server")
    parser.add_argument("--secret", default=os.environ.get("PUNCH_SECRET", ""), help="the same on both sides")
    parser.add_argument("--port", type=int, default=0, help="local UDP port (any; the one above it is used too)")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="S", help="seconds at most (300)")
    parser.set_defaults(run=_knock)


def _knock(options: argparse.Namespace) -> int:
    async def run() -> Hole:
        return await knock(
            options.server,
            lines=stdin_lines(),
            say=_say_if_heard,
            secret=options.secret,
            port=options.port,
            within=options.timeout,
            note=_note,
        )

    try:
        hole = anyio.run(run)
    except KnockFailed as error:
        _note(str(error))
        return 1
    port = hole.sock.getsockname()[1]
    _note(f"a hello went through the hole and back: {hole.endpoint}, from port {port} here")
    told = {"hole": str(hole.endpoint), "port": port, "seconds": round(hole.seconds, 3), "lifetime": hole.lifetime}
    _say_if_heard(json.dumps(told))
    hole.sock.close()
    return 0


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    everyday = f"those of {len(EVERYDAY)} everyday kinds"
    pairs = f"kinds of NAT; A alone: with each; {ALL}: the whole matrix, some minutes ({everyday}, a minute or less)"
    parser.add_argument("--pairs", default="", metavar="A:B,...", help=pairs)
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="worlds of each pair (20)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="of the seeds, which count up (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
    parser.add_argument("--delay", type=float, default=0.01, metavar="S", help="of each access line, one way (0.01)")
    parser.add_argument("--loss", type=float, default=0.0, metavar="SHARE", help="of each access line, 0..1 (0)")
    parser.add_argument("--rate", type=float, default=3.0, metavar="S", help="CPU seconds the rate is measured (3)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line: each pair, then the summary")
    parser.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    wanted = read_pairs(options.pairs)
    if options.seeds < 1 or options.jobs < 1:
        raise ValueError("--seeds and --jobs are at least 1")
    terms = Terms(delay=options.delay, loss=options.loss)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    found = []
    progress = Progress(len(wanted))
    signal.signal(signal.SIGTERM, _terminated)
    if not options.json:
        _say(HEAD)
    with closing(cells(wanted, seeds=seeds, terms=terms, jobs=min(options.jobs, len(wanted)))) as each:
        for cell in each:
            found.append(cell)
            progress.clear()
            _say(msgspec.json.encode(cell).decode() if options.json else cell.line())
            progress.tell(len(found))
    progress.clear()
    rate = worlds_a_minute(seconds=options.rate, terms=terms) if options.rate > 0 else None
    direct, feasible = success(found)
    met, tried, expected = by_chance(found)
    if options.json:
        left = {"direct": met, "duels": tried, "expected": round(expected, 1)}
        _say(json.dumps({"direct": direct, "feasible": feasible, "by_chance": left, "worlds_a_minute": rate}))
    else:
        share = f"{100 * direct / feasible:.2f} %" if feasible else "none"
        _say(f"\ndirect where feasible: {share} ({direct} of {feasible})")
        if tried:
            _say(
                f"direct where it is left to chance: {met} of {tried}; arithmetic expects {expected:.0f} of one attempt"
            )
        _say(f"worlds a minute on one core, {' - '.join(TIMED)}: {rate:.0f}" if rate else "the rate was not measured")
    return 0


class Progress:
    """So many of all pairs are through, on stderr: in place on a terminal, else a line every ten seconds."""

    EVERY = 10.0

    def __init__(self, total: int) -> None:
        self._total = total
        self._in_place = sys.stderr.isatty()
        self._began = self._told = clock()
        self._drawn = False

    def tell(self, done: int) -> None:
        """How far it is, and how long the rest may take."""
        now = clock()
        if done == self._total or not (self._in_place or now - self._told >= self.EVERY):
            return
        self._told = now
        left = (now - self._began) * (self._total - done) / done
        print(
            f"{done} of {self._total} pairs, about {left:.0f} s left",
            end="" if self._in_place else "\n",
            file=sys.stderr,
        )
        sys.stderr.flush()
        self._drawn = self._in_place

    def clear(self) -> None:
        """Take it away before something else is said."""
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._drawn = False


def _terminated(number: int, frame: object) -> None:
    """End as after Ctrl-C: processes and all."""
    raise SystemExit(128 + number)


def _say(line: str) -> None:
    print(line, flush=True)


def _say_if_heard(line: str) -> None:
    """A line for the other side, which may have gone already."""
    try:
        _say(line)
    except BrokenPipeError:
        _hush()


def _hush() -> None:
    """Nobody reads stdout any more: what is left to say goes nowhere, also at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _told(found: Detected) -> list[str]:
    """The sentence, then one line an axis."""
    profile = found.profile
    lines = [found.words, ""]
    decided = [name for name in _AXES if getattr(profile, name) not in (None, 0, "unknown")]
    lines += [f"  {name:12}{_axis(getattr(profile, name))}" for name in decided]
    lines.append(f"  {'seen at':12}{', '.join(map(str, found.endpoints)) or '-'}")
    lines.append(f"  {'undecided':12}{', '.join(found.undecided) or 'nothing'}")
    first = f"{found.enough:.2f} s to choose by, " if found.enough is not None else ""
    lines.append(f"  {'took':12}{first}{found.seconds:.2f} s in all")
    return lines


_AXES = ("mapping", "filtering", "allocation", "step", "foreign", "block", "pooling", "parity", "poisonable",
         "hairpin", "lifetime", "distance")  # fmt: skip


def _axis(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
