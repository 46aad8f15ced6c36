"""Full handshakes a second, answered on one core: m1 from 100 sources, all succeed.

    100 sources --m1--> B --m2--> source --m3--> B --m4--> source --first sealed frame--> B

`python -m tools.bench.handshakes` prints them. Only what B does is on the clock: m1 to m2, m3 to m4, and opening the
first frame. The sources' share is named too.
"""

from __future__ import annotations

import random
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from os import urandom
from statistics import median
from time import process_time

from msgspec import Struct

from overlay.identity import Identity, network_keys
from overlay.sealing import BUILT_IN
from overlay.session import Sessions
from overlay.session.commands import SendControl, SendHandshake
from overlay.session.events import KeysLive, SessionOpened
from overlay.session.facts import DialAsked
from overlay.values import Direct
from punch.values import SocketId, udp

SOURCES = 100
RECORD_SIZE = 400
"""Bytes of a typical record (protocol section 8)."""
FLOOR, AIM = 150, 500


class Result(Struct, frozen=True):
    """One round of all sources."""

    handshakes: int
    answering: float
    """Seconds B worked."""
    total: float
    """Seconds all of it took on this core."""


class Bench:
    """B and its sources, in virtual time."""

    def __init__(self) -> None:
        self.keys = network_keys("bench", bytes(32))
        self.now = 0.0
        self.b_link = Direct(SocketId(1), udp("192.0.2.1", 27182))
        self.b = self._sessions()
        self.answering = 0.0

    def _sessions(self) -> Sessions:
        return Sessions(
            identity=Identity(urandom(32)),
            keys=self.keys,
            record=bytes(RECORD_SIZE),
            ciphers=BUILT_IN,
            offloads=7,
            keygen=urandom,
            entropy=random.Random(),
            now=self.now,
        )

    def round(self) -> Result:
        """Each source dials once, with an identity of its own."""
        sources = [(self._sessions(), Direct(SocketId(1), udp(f"198.51.100.{n}", 4000))) for n in range(SOURCES)]
        self.answering = 0.0
        began = process_time()
        live = sum(self._handshake(a, link) for a, link in sources)
        result = Result(live, self.answering, process_time() - began)
        self.now += 200.0
        self.b.handle_timeout(now=self.now)
        list(self.b.events())
        return result

    def _handshake(self, a: Sessions, link: Direct) -> bool:
        """One handshake from m1 to B's first sealing key; True if B got it."""
        self.now += 0.001
        a.tell(DialAsked(self.b_link, None), now=self.now)
        for _ in range(2):
            (asked,) = self._frames(a)
            (answer,) = self._answered(asked, link)
            a.receive(answer, self.b_link, now=self.now)
        (proof,) = [command for command in a.commands() if isinstance(command, SendControl)]
        sealed = a.seal(proof.peer, proof.message, now=self.now)
        peer = next((event.peer for event in self.b.events() if isinstance(event, SessionOpened)), None)
        if sealed is None or peer is None:
            return False
        self._timed(lambda: self.b.open(peer, sealed.epoch, sealed.counter, sealed.body, now=self.now))
        return any(isinstance(event, KeysLive) for event in self.b.events())

    def _answered(self, frame: bytes, link: Direct) -> list[bytes]:
        self._timed(lambda: self.b.receive(frame, link, now=self.now))
        return self._frames(self.b)

    def _timed(self, work: Callable[[], object]) -> None:
        began = process_time()
        work()
        self.answering += process_time() - began

    @staticmethod
    def _frames(sessions: Sessions) -> list[bytes]:
        return [command.frame for command in sessions.commands() if isinstance(command, SendHandshake)]


def rounds(count: int) -> list[Result]:
    """Rounds after one to warm up."""
    bench = Bench()
    bench.round()
    return [bench.round() for _ in range(count)]


def answered(results: list[Result]) -> float:
    """The median of handshakes answered a second."""
    return median(SOURCES / result.answering for result in results)


def measure() -> float:
    """Handshakes answered a second; 0 if one failed."""
    results = rounds(5)
    return answered(results) if all(result.handshakes == SOURCES for result in results) else 0.0


def main(argv: list[str]) -> int:
    """Print the figure; 0 where it reaches the floor and every handshake succeeded."""
    parser = ArgumentParser(prog="tools.bench.handshakes", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help=f"of {SOURCES} handshakes each")
    results = rounds(parser.parse_args(argv).rounds)
    succeeded = all(result.handshakes == SOURCES for result in results)
    rate = answered(results)
    both = median(SOURCES / result.total for result in results)
    print(f"full handshakes answered on one core   {rate:6.0f} /s   (floor {FLOOR}, aim {AIM})")
    print(f"both ends on one core                  {both:6.0f} /s")
    print(f"one handshake costs B                  {1e6 / rate:6.0f} us")
    if not succeeded:
        print("some handshakes failed", file=sys.stderr)
    return 0 if succeeded and rate >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
