"""Rooms of the dissector: payloads as layers and lines, what is inside of envelopes, the file of keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from overlay.sealing import BUILT_IN, aad, aead, nonce
from overlay.values import Label
from overlay.wire.frame import CONTROL, DATA, cut
from tools.dissect.capture import Sighting
from tools.dissect.conversation import Conversation
from tools.dissect.keys import BadKeys, KeyRing
from tools.dissect.layers import dissect
from tools.fuzz.machines import handshake_frames
from tools.fuzz.said import probes, stun_messages
from tools.fuzz.samples import slices
from tools.fuzz.target import Feed

KEY, EPOCH = bytes(range(32)), 3


def captured() -> list[bytes]:
    """A payload of every sort."""
    return [*slices(), *handshake_frames(), *probes(), *stun_messages()]


def dissect_room() -> Callable[[bytes], None]:
    """Any payload as scapy layers, and as lines."""

    def feed(data: bytes) -> None:
        frames = dissect(data)
        assert not data or b"".join(map(bytes, frames)) == data
        assert list(Conversation().lines(Sighting(0.0, "a", "b", frame, len(data)) for frame in frames))

    return feed


def opened_room(file: Path) -> Feed:
    """The input is what somebody sealed, as control and as data; what is told of it is fit for a terminal."""
    file.write_bytes(key_files()[0])
    ring = KeyRing.read(file)
    counter = 0

    def feed(data: bytes) -> None:
        nonlocal counter
        counter += 1
        for kind in (CONTROL, DATA):
            body = aead(BUILT_IN[0], KEY).encrypt(nonce(counter), data[:16_000], aad(kind, EPOCH, counter))
            frames = [dissect(each)[0] for each in cut(kind, Label(5), EPOCH, counter, body, 1200)]
            seen = (Sighting(0.0, "a", "b", frame, len(bytes(frame))) for frame in frames)
            for line in Conversation(ring).lines(seen):
                assert line.isprintable(), line

    return feed


def key_files() -> list[bytes]:
    """What `--debug-keys` writes."""
    ends = f"from {'5a' * 32} to {'77' * 32}"
    rows = [f"{kind} {EPOCH} {cipher} {KEY.hex()} {ends}\n" for cipher in BUILT_IN for kind in ("control", "data")]
    return ["".join(rows).encode(), rows[0].encode(), b""]


def keys_room(file: Path) -> Feed:
    """A file of keys; what is none says so."""

    def feed(data: bytes) -> None:
        file.write_bytes(data)
        try:
            ring = KeyRing.read(file)
        except BadKeys:
            return
        assert ring.open(CONTROL, 5, EPOCH, 9, bytes(40)) is None

    return feed
