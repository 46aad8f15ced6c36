"""`python -m tools.dissect [--keys KEYS] FILE.pcap`: print a capture as a conversation."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tools.dissect.capture import NotACapture, sightings
from tools.dissect.conversation import Conversation
from tools.dissect.keys import BadKeys, KeyRing

_EXAMPLE = """example:
  tcpdump -i eth0 -w talk.pcap udp port 27182
  .venv/bin/python -m tools.dissect talk.pcap
  .venv/bin/python -m tools.dissect --keys keys talk.pcap       (with `overlay join --debug-keys keys`)

It reads captures with scapy, which the dev extra brings: tools/dev.py setup, or pip install '.[dev]'."""


def main(arguments: list[str] | None = None) -> int:
    """Print; 0, or 1 with a sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.dissect",
        description="A capture as a conversation.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="a pcap or pcapng file")
    parser.add_argument("--port", type=int, help="only what this UDP port sends or receives")
    parser.add_argument(
        "--keys", type=Path, metavar="KEYS", help="what `overlay join --debug-keys KEYS` wrote: open it"
    )
    parser.add_argument("--all", action="store_true", help="show payloads that are no frames of ours, too")
    options = parser.parse_args(arguments)
    try:
        seen = sightings(options.file)
        if options.port:
            ends = f":{options.port}"
            seen = (s for s in seen if s.source.endswith(ends) or s.target.endswith(ends))
        if not options.all:
            seen = (s for s in seen if s.frame.name != "other")
        ring = KeyRing.read(options.keys) if options.keys else None
        for line in Conversation(ring).lines(seen):
            print(line)
    except BrokenPipeError:
        raise
    except (NotACapture, BadKeys, OSError) as fault:
        print(f"dissect: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
