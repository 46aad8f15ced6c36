"""What two engines say to each other, sealed by whoever carries it; values, no bytes.

Each is an array on the wire: its name's number, then the fields in order (`plain`, `read`).

    first                                            second
      Offer(profile, candidates, label)   ->
                                          <-  Offer(the same of the second)
      Sampled, HolesOpen, Aim, ...       <->  as the strategy in force wants
      Next(strategy)                     <->  where one strategy did not do and the list goes on
      Stop(reason)                       <->
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from punch.config import Mode
from punch.values import LONGEST_HOST, Candidate, Endpoint, NatProfile, is_numeric

U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Port = Annotated[int, Meta(ge=1, le=0xFFFF)]
Seconds = Annotated[float, Meta(ge=0.0, le=86_400.0)]
LONGEST_WORD = 32
Word = Annotated[str, Meta(max_length=LONGEST_WORD)]
Host = Annotated[str, Meta(max_length=LONGEST_HOST)]


class _Said(Struct, frozen=True, array_like=True):
    attempt: U32
    """Chosen by who began; both sides' probes carry it."""


class Offer(_Said, frozen=True, array_like=True, tag=1):
    """Let us try: what I am behind, where I may be met, and the label your probes to me shall carry."""

    reply: bool
    """The answer to an Offer."""
    label: U32
    profile: NatProfile
    candidates: Annotated[tuple[Candidate, ...], Meta(max_length=12)]
    demand: bool
    """A person asked: waiting times are set aside."""
    wanted: bool = True
    """Traffic or a person wants the path now; False: so far it is only asked what the other is behind."""
    modes: tuple[Mode, Mode] = ("auto", "auto")
    """My settings nat3_nat4 and nat4_nat4: both sides decide alike from both."""
    learned: Word = ""
    """The strategy that worked last with you from here: begin with it."""


class Sample(Struct, frozen=True, array_like=True):
    """What a STUN service saw of a fresh socket."""

    index: U16
    """Place in the sequence of all mappings made in this round, holes included."""
    at: Seconds
    """Since the round began, when it was sent."""
    local: Port
    external: Port
    host: Host
    """The outside address."""


class Sampled(_Said, frozen=True, array_like=True, tag=2):
    """The hard side's account of a round: samples and holes in the order they were made."""

    round: U16
    samples: Annotated[tuple[Sample, ...], Meta(max_length=64)]
    holes: Annotated[tuple[tuple[U16, Port, Seconds], ...], Meta(max_length=1024)]
    """(index, local port, when) of each hole, opened towards `to_port` of the other side."""


class HolesOpen(_Said, frozen=True, array_like=True, tag=3):
    """So many holes are open now in all, refreshed so often."""

    round: U16
    count: U16
    refresh: Seconds


class Aim(_Said, frozen=True, array_like=True, tag=4):
    """Anchor and walk (nat-science 3.3): the port I send to, and the port of mine to send to."""

    round: U16
    target: Port
    """The outside port the walker is to obtain."""
    aim: Port
    """The anchor's outside port the walker sends to."""
    host: Host
    counter: Port
    """The sender's own counter as last sampled."""
    rate: Annotated[float, Meta(ge=0.0, le=100_000.0)]
    """Foreign mappings a second on it."""


class MoreHoles(_Said, frozen=True, array_like=True, tag=5):
    """The easy side has missed so often that `count` holes in all are asked of the hard side."""

    count: U16


class Touch(_Said, frozen=True, array_like=True, tag=6):
    """To a member that serves STUN: send one datagram to my endpoint at the address you hear me from (filtering)."""

    port: Port
    transaction: Annotated[bytes, Meta(min_length=12, max_length=12)]


class Stop(_Said, frozen=True, array_like=True, tag=7):
    """This attempt is over for me."""

    reason: Word


class Next(_Said, frozen=True, array_like=True, tag=8):
    """One strategy did not do; I go on with this one."""

    strategy: Word


Signal = Offer | Sampled | HolesOpen | Aim | MoreHoles | Touch | Stop | Next


def plain(signal: Signal) -> list[Any]:
    """A signal as lists, numbers, strings and bytes, for any codec; `read` is the way back."""
    built: list[Any] = msgspec.to_builtins(signal, builtin_types=(bytes,))
    return built


def read(data: Any) -> Signal:
    """Check and build a signal from what `plain` gave, or from JSON (bytes as base64).

    Raises:
        msgspec.ValidationError: it is none, or a value is out of range.
    """
    signal: Signal = msgspec.convert(data, Signal, strict=True)
    match signal:
        case Offer():
            _check_offer(signal)
        case Sampled():
            _check_hosts(*(sample.host for sample in signal.samples))
        case Aim():
            _check_hosts(signal.host)
    return signal


def _check_offer(offer: Offer) -> None:
    """What the values themselves leave open, as they are made for every datagram too."""
    _check_hosts(*offer.profile.hosts)
    if offer.profile.reflexive is not None:
        _check_endpoint(offer.profile.reflexive)
    for each in offer.candidates:
        _check_endpoint(each.endpoint)
        _check_word(each.kind)


def _check_endpoint(endpoint: Endpoint) -> None:
    _check_word(endpoint.transport)
    _check_hosts(endpoint.host)
    if not 0 <= endpoint.port <= 0xFFFF:
        raise msgspec.ValidationError("a port is out of range")


def _check_hosts(*hosts: str) -> None:
    if not all(map(is_numeric, hosts)):
        raise msgspec.ValidationError("a host is no numeric address")


def _check_word(word: str) -> None:
    if len(word) > LONGEST_WORD:
        raise msgspec.ValidationError("a word is too long")
