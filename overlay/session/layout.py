"""Handshake and cookie frames: bytes <-> values (protocol sections 1 to 3).

    0   1   2      3   4        8         12       40        44        56         92         160       176
    +---+---+------+---+--------+---------+--------+---------+---------+----------+----------+---------+
 m1 | 4 | 1 | major| 0 | label A| Ya 32            | cookie 16         | zeros                | mac1 16 |  176
 m2 | 4 | 2 | major| 0 | label A| label B | Yb 32            | noise1 48          | mac1 16 |              108
 m3 | 4 | 3 | major| 0 | label B| noise2: e 32, s 48, payload of A and tag ...
 m4 | 4 | 4 | major| 0 | label A| noise3: s 48, payload of B and tag ...
    | 5 | 0 | major| 0 | label A| cookie 16 | mac1 16 |                                                     40
    +---+---+------+---+--------+---------+-----------+--------------------------------------------------+
 r1 | 4 | 5 | major| 0 | label A| ticket's id 16     | noise1: e 32, payload of A and tag | mac 16 | mac1 16 | 1,024 ..
 r2 | 4 | 6 | major| 0 | label A| label B | noise2: e 32, payload of B and tag        | mac 16 | mac1 16 | <= its r1
    +---+---+------+---+--------+---------+-----------------------------------------------------------------+

The label is the receiver's, but in m1 and r1, where it is the sender's own. mac1 covers all bytes before it; m3 and m4
need none, as Noise covers them. `mac` is made with the ticket's secret, over its sender's id and all bytes before it:
who does not hold the ticket costs no curve arithmetic. A node that is asked in another major, or to resume what it does
not know, answers with a cookie of zeros.
"""

from __future__ import annotations

import struct
from hashlib import blake2s
from hmac import compare_digest
from typing import Annotated

from msgspec import Meta, Struct, structs

from overlay.session.drops import Reason
from overlay.values import Label
from overlay.wire.codec import pack, unpack
from overlay.wire.frame import COOKIE, HANDSHAKE
from overlay.wire.messages import U8, U32, Id, RecordBytes

MAJOR = 1
"""Builds of different majors do not understand each other."""
MINOR = 0
"""Builds of different minors do."""

M1, M2, M3, M4, R1, R2 = 1, 2, 3, 4, 5, 6
M1_SIZE, M2_SIZE, COOKIE_FRAME_SIZE = 176, 108, 40
MAX_FRAME = 2048
"""No handshake frame is longer: they have to fit a Carried."""

COOKIE_SIZE = 16
NO_COOKIE = bytes(COOKIE_SIZE)
MAC_SIZE = 16
M1_HEAD, M2_HEAD = 40, 44
"""The bytes of m1 and m2 that make the prologue."""
R1_HEAD, R2_HEAD = 24, 12
"""The bytes of r1, which are its prologue, and of r2 before Noise begins."""
R1_SIZE = 1024
"""r1 is filled up to it, so that the answer is no longer; carried, it still is one datagram."""

_HEADER = struct.Struct("<BBBBI")
HEADER_SIZE = _HEADER.size
_LABEL_AT, _SHARE_AT = 4, 8
_KEY_AND_TAG = 48
"""Of noise1 and noise2 in r1 and r2: an ephemeral key, and the tag of a payload."""
_BIN_HEAD = 3
"""msgpack's head of 256 to 65,535 bytes; fewer have one of two."""


class BadFrame(Exception):
    """Not a frame of ours; `reason` is a fixed word (`drops`)."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class First(Struct, frozen=True):
    """m1."""

    head: bytes
    """m1[0:40]."""
    share: bytes
    """Ya."""
    cookie: bytes


class Second(Struct, frozen=True):
    """m2."""

    head: bytes
    """m2[0:44]."""
    label: Label
    """Label A."""
    peer_label: Label
    """Label B."""
    share: bytes
    """Yb."""
    noise: bytes


class Late(Struct, frozen=True):
    """m3 or m4, by `kind`."""

    kind: int
    label: Label
    noise: bytes


class Cookie(Struct, frozen=True):
    """Come back with this."""

    label: Label
    """Label A."""
    cookie: bytes


class Foreign(Struct, frozen=True):
    """A frame of another major, by somebody who knows the network's name."""

    asks: bool
    """It is an m1."""
    label: Label


class Resume(Struct, frozen=True):
    """r1."""

    head: bytes
    """r1[0:24]."""
    label: Label
    """Label A."""
    id: bytes
    """Which ticket."""
    noise: bytes
    covered: bytes
    """What `mac` covers."""
    mac: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole frame: no answer is longer."""
        return len(self.covered) + 2 * MAC_SIZE


class Resumed(Struct, frozen=True):
    """r2."""

    label: Label
    """Label A."""
    peer_label: Label
    """Label B."""
    noise: bytes
    covered: bytes
    mac: bytes


Frame = First | Second | Late | Cookie | Foreign | Resume | Resumed


class Payload(Struct, frozen=True, array_like=True):
    """What each side says of itself inside Noise, as one msgpack array; later minors may add fields behind."""

    id: Id
    """The node id, Ed25519."""
    minor: U8
    epoch: U8
    """The epoch under which the sender of this will receive."""
    ciphers: Annotated[list[Annotated[str, Meta(max_length=32)]], Meta(max_length=8)]
    offloads: U32
    seen: Annotated[str, Meta(max_length=64)] | None
    """The endpoint that the other was heard from; nil over a relay."""
    record: RecordBytes
    """Its signed record."""

    def pack(self, *, size: int = 0) -> bytes:
        """The bytes inside Noise; a field of zeros behind the others, which nobody reads, makes them `size` or more."""
        packed = pack(self)
        if len(packed) >= size:
            return packed
        fill = max(0, size - len(packed) - _BIN_HEAD)
        return pack([*structs.astuple(self), bytes(fill + (fill < 256))])


def unpack_payload(data: bytes) -> Payload:
    """Read a payload.

    Raises:
        Malformed: it is none (`wire.codec`).
    """
    return unpack(data, Payload, limit=MAX_FRAME)


def mac1(mac_key: bytes, data: bytes) -> bytes:
    """16 bytes that only who knows the network's name can make."""
    return blake2s(data, digest_size=MAC_SIZE, key=mac_key).digest()


def first_head(label: Label, share: bytes) -> bytes:
    """m1[0:40]; ADa is its first 8 bytes."""
    return _HEADER.pack(HANDSHAKE, M1, MAJOR, 0, label) + share


def first(head: bytes, cookie: bytes, mac_key: bytes) -> bytes:
    """m1."""
    return _sealed((head + cookie).ljust(M1_SIZE - MAC_SIZE, b"\0"), mac_key)


def second_head(label: Label, own_label: Label, share: bytes) -> bytes:
    """m2[0:44]; ADb is its first 12 bytes."""
    return _HEADER.pack(HANDSHAKE, M2, MAJOR, 0, label) + own_label.to_bytes(4, "little") + share


def second(head: bytes, noise: bytes, mac_key: bytes) -> bytes:
    """m2."""
    return _sealed(head + noise, mac_key)


def late(kind: int, label: Label, noise: bytes) -> bytes:
    """m3 or m4."""
    return _HEADER.pack(HANDSHAKE, kind, MAJOR, 0, label) + noise


def resume_head(label: Label, id_: bytes) -> bytes:
    """r1[0:24]."""
    return _HEADER.pack(HANDSHAKE, R1, MAJOR, 0, label) + id_


def resumed_head(label: Label, own_label: Label) -> bytes:
    """r2[0:12]."""
    return _HEADER.pack(HANDSHAKE, R2, MAJOR, 0, label) + own_label.to_bytes(4, "little")


def resume_frame(head: bytes, noise: bytes, mac: bytes, mac_key: bytes) -> bytes:
    """r1 or r2; `mac` is that of `ticket_mac` over head and noise."""
    return _sealed(head + noise + mac, mac_key)


def ticket_mac(key: bytes, sender: bytes, covered: bytes) -> bytes:
    """16 bytes that only who holds the ticket can make; `sender` is the id of the side that does."""
    return blake2s(sender + covered, digest_size=MAC_SIZE, key=key).digest()


def same_mac(one: bytes, other: bytes) -> bool:
    """Compared in constant time."""
    return compare_digest(one, other)


def payload_room(size: int, head: int) -> int:
    """Bytes of payload in an r1 or r2 of `size` bytes, whose own head has `head`."""
    return size - head - _KEY_AND_TAG - 2 * MAC_SIZE


def cookie_frame(label: Label, cookie: bytes, mac_key: bytes) -> bytes:
    """A cookie; of zeros, it says no more than our major."""
    return _sealed(_HEADER.pack(COOKIE, 0, MAJOR, 0, label) + cookie, mac_key)


def parse(frame: bytes, mac_key: bytes) -> Frame:
    """Read a frame whose first byte is 4 or 5; mac1 is verified before anything is believed.

    Raises:
        BadFrame: it is none of ours (`handshake_malformed`, `mac1`, `version`).
    """
    if not COOKIE_FRAME_SIZE <= len(frame) <= MAX_FRAME:
        raise BadFrame("handshake_malformed")
    type_, kind, major, zero, number = _HEADER.unpack_from(frame)
    if zero or type_ not in (HANDSHAKE, COOKIE):
        raise BadFrame("handshake_malformed")
    if major != MAJOR:
        return _foreign(frame, mac_key)
    label = Label(number)
    if type_ == HANDSHAKE and kind in (M3, M4):
        return Late(kind, label, frame[_HEADER.size :])
    if type_ == HANDSHAKE and kind in (R1, R2):
        return _resume(frame, kind, label, mac_key)
    if _SIZES.get((type_, kind)) != len(frame):
        raise BadFrame("handshake_malformed")
    _check(frame, mac_key)
    if type_ == COOKIE:
        return Cookie(label, frame[8:24])
    if kind == M1:
        return First(frame[:M1_HEAD], frame[_SHARE_AT:M1_HEAD], frame[M1_HEAD : M1_HEAD + COOKIE_SIZE])
    peer_label = Label(int.from_bytes(frame[8:12], "little"))
    return Second(frame[:M2_HEAD], label, peer_label, frame[12:M2_HEAD], frame[M2_HEAD:-MAC_SIZE])


def label_of(head: bytes) -> Label:
    """The label in the head of m1 or m2."""
    return Label(int.from_bytes(head[_LABEL_AT : _LABEL_AT + 4], "little"))


_SIZES = {(HANDSHAKE, M1): M1_SIZE, (HANDSHAKE, M2): M2_SIZE, (COOKIE, 0): COOKIE_FRAME_SIZE}


def _resume(frame: bytes, kind: int, label: Label, mac_key: bytes) -> Resume | Resumed:
    head = R1_HEAD if kind == R1 else R2_HEAD
    if payload_room(len(frame), head) < 0:
        raise BadFrame("handshake_malformed")
    _check(frame, mac_key)
    covered, mac = frame[: -2 * MAC_SIZE], frame[-2 * MAC_SIZE : -MAC_SIZE]
    if kind == R1:
        return Resume(covered[:head], label, covered[8:head], covered[head:], covered, mac)
    return Resumed(label, Label(int.from_bytes(covered[8:head], "little")), covered[head:], covered, mac)


def _foreign(frame: bytes, mac_key: bytes) -> Foreign:
    """Of another major only the header and that mac1 is the end are taken for granted."""
    if frame[0] == HANDSHAKE and frame[1] not in (M1, M2):
        raise BadFrame("version")
    _check(frame, mac_key)
    return Foreign(frame[0] == HANDSHAKE and frame[1] == M1, label_of(frame))


def _sealed(data: bytes, mac_key: bytes) -> bytes:
    return data + mac1(mac_key, data)


def _check(frame: bytes, mac_key: bytes) -> None:
    if not compare_digest(mac1(mac_key, frame[:-MAC_SIZE]), frame[-MAC_SIZE:]):
        raise BadFrame("mac1")
