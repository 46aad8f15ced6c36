"""`python -m punch detect | knock | simulate`: the engine alone, without the overlay."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

import msgspec

from punch.driver import Detected, detect

_DETECT = """example:
  python -m punch detect --server stun.example.org --server 192.0.2.10:3478

One RFC 5780 server (two addresses) or two servers that answer on two ports each decide the most."""


def main(argv: list[str]) -> int:
    """Run one command; 0: done, 1: failed as told, 2: usage."""
    parser = argparse.ArgumentParser(prog="python -m punch", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_detect(_command(commands, "detect", "what NAT am I behind", _DETECT))
    options = parser.parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (OSError, ValueError) as error:
        print(f"punch: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
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
    if options.json:
        print(json.dumps(msgspec.to_builtins(found)))
    else:
        print("\n".join(_told(found)))
    return 1 if found.profile.type in ("unknown", "blocked") else 0


def _told(found: Detected) -> list[str]:
    """The sentence, then one line an axis."""
    profile = found.profile
    lines = [found.words, ""]
    lines += [f"  {name:12}{_axis(getattr(profile, name))}" for name in _AXES if name not in found.undecided]
    lines.append(f"  {'seen at':12}{', '.join(map(str, found.endpoints)) or '-'}")
    lines.append(f"  {'undecided':12}{', '.join(found.undecided) or 'nothing'}")
    lines.append(f"  {'took':12}{found.seconds:.2f} s")
    return lines


_AXES = ("mapping", "filtering", "allocation", "step", "foreign", "block", "pooling", "parity", "poisonable",
         "hairpin", "lifetime", "distance")  # fmt: skip


def _axis(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
