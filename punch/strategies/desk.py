"""What an attempt lends its strategies, and what it wants of them.

    attempt --begin, opened, sampled, heard, due--> strategy
    attempt <--probe, sample, open, say, wait, note-- strategy        (the desk)

Both sides run the same strategy with mirrored roles. A strategy never hears of success: the attempt sees the probe or
its answer and ends it. Whatever it sends is paid from the one budget of the host; what is refused is asked again later.
"""

from __future__ import annotations

import random
from typing import Protocol

from punch.signals import Signal
from punch.values import Candidate, Endpoint, NatProfile, SocketId


class Desk(Protocol):
    """What a strategy works with."""

    attempt: int
    """Number of this attempt; signals carry it."""
    entropy: random.Random
    main: SocketId
    """The host's own IPv4 socket: where the easy side probes from."""
    main6: SocketId | None
    """The same for IPv6, if there is one."""
    local: NatProfile
    remote: NatProfile
    remote_host: str
    """The public address a search aims at: vouched for by another member, else a search of over 8 ports is refused."""
    candidates: tuple[Candidate, ...]
    """What the peer named, checked (protocol section 5)."""
    local_candidates: tuple[Candidate, ...]

    def probe(self, via: SocketId, to: Endpoint, *, now: float, ttl: int = 0) -> bool:
        """Send one probe; False: neither budget nor leave for it now."""

    def sample(self, via: SocketId, *, now: float) -> bool:
        """Ask a STUN service what `via` looks like from outside; `sampled` brings the answer. False: no budget now."""

    def room(self, *, now: float) -> float:
        """Packets that may be sent now."""

    def room_at(self, packets: float, *, now: float) -> float:
        """When there will be room for so many packets (`now`: at once)."""

    def open(self, count: int, *, even: bool = False, port: int = 0) -> int:
        """Ask for `count` fresh sockets (`port`: one, on this local port); `opened` brings them by this number."""

    def close(self, via: SocketId) -> None:
        """A socket is not needed any more."""

    def say(self, signal: Signal) -> None:
        """Tell the peer's side of this attempt."""

    def wait(self, name: str, at: float) -> None:
        """Call `due(name)` at that time, replacing an earlier wait of the name; `inf` clears it."""

    def note(self, text: str, *, now: float) -> None:
        """A line for the journal a person reads."""

    def plan(self, ports: int) -> None:
        """So many ports the present search may try at most (`status` shows it)."""

    def end(self, reason: str, text: str, *, now: float) -> None:
        """This strategy is through; the attempt goes on with the next one, or ends."""


class Opened(Protocol):
    """A fresh socket."""

    @property
    def socket(self) -> SocketId:
        """Its name."""

    @property
    def local(self) -> Endpoint:
        """Where it is bound."""


class Part(Protocol):
    """What a strategy does on one side."""

    def begin(self, *, now: float) -> None:
        """Both offers are known, and this one's turn has come."""

    def opened(self, request: int, sockets: tuple[Opened, ...], *, now: float) -> None:
        """The sockets asked for, as many as there are to be had (none: ports or files are used up)."""

    def sampled(self, via: SocketId, seen: Endpoint, sent: float, *, now: float) -> None:
        """A STUN service saw `via` at `seen`; it was asked at `sent`."""

    def heard(self, signal: Signal, *, now: float) -> None:
        """The other side says something."""

    def due(self, name: str, *, now: float) -> None:
        """A wait is over."""

    def finish(self, *, now: float) -> None:
        """The attempt is over or goes on to another strategy: nothing more is sent by this one."""


class Strategy(Part, Protocol):
    """One way to meet, on one side, with its name."""

    name: str
    """A fixed word: simultaneous, reachable, sandwich, block, birthday, anchor_walk, hairpin, ..."""
