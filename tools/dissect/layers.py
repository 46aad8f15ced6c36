"""The frames as scapy layers (protocol sections 2, 3 and 9): one row a kind, after scapy/layers/vxlan.py.

`dissect` reads a UDP payload as the layer that its first bytes name; `LAYERS` is what a scapy session may bind.
"""

from __future__ import annotations

import struct
import types
import warnings
from typing import Any

from overlay.node.lan import SIZE as BEACON_SIZE
from overlay.shell.discovery import PORT as BEACON_PORT
from overlay.wire.frame import (
    CONTROL,
    COOKIE,
    DATA,
    HANDSHAKE,
    HEADER_SIZE,
    PARITIES,
    PROBE,
    PROBE_ANSWER,
    STUN_LAST,
    Header,
    parity_index,
    parity_place,
)

with warnings.catch_warnings():  # scapy meets its own deprecations while it is imported
    warnings.simplefilter("ignore")
    from scapy.fields import (
        ByteField,
        IntField,
        LELongField,
        LEShortField,
        ShortField,
        StrFixedLenField,
        XByteField,
        XLEIntField,
        XStrField,
        XStrFixedLenField,
    )
    from scapy.packet import Packet

M1_SIZE, M2_SIZE, COOKIE_SIZE, PROBE_SIZE = 176, 108, 40, 36
M3_LEAST, M4_LEAST = 8 + 32 + 48 + 16, 8 + 48 + 16
"""noise2 carries e, an encrypted s and at least a tag; noise3 no e."""
R1_LEAST, R2_LEAST = 24 + 32 + 16 + 16 + 16, 12 + 32 + 16 + 16 + 16
"""Their heads, e, at least a tag, mac and mac1."""
MAGIC_COOKIE = 0x2112_A442
"""RFC 5389 section 6."""


def layer(name: str, *fields: Any) -> Any:
    """A scapy layer from its row."""
    return types.new_class(name, (Packet,), exec_body=lambda body: body.update(name=name, fields_desc=list(fields)))


def opening(kind: int, step: int) -> tuple[Any, ...]:
    """The 8 bytes that every handshake frame begins with."""
    return (
        ByteField("type", kind),
        ByteField("step", step),
        ByteField("major", 1),
        ByteField("zero", 0),
        XLEIntField("label", 0),
    )


M1 = layer(
    "m1",
    *opening(HANDSHAKE, 1),
    XStrFixedLenField("share", bytes(32), 32),
    XStrFixedLenField("cookie", bytes(16), 16),
    StrFixedLenField("padding", bytes(104), 104),
    XStrFixedLenField("mac1", bytes(16), 16),
)
M2 = layer(
    "m2",
    *opening(HANDSHAKE, 2),
    XLEIntField("label_b", 0),
    XStrFixedLenField("share", bytes(32), 32),
    XStrFixedLenField("noise1", bytes(48), 48),
    XStrFixedLenField("mac1", bytes(16), 16),
)
M3 = layer("m3", *opening(HANDSHAKE, 3), XStrField("noise2", b""))
M4 = layer("m4", *opening(HANDSHAKE, 4), XStrField("noise3", b""))
R1 = layer(
    "r1",
    *opening(HANDSHAKE, 5),
    XStrFixedLenField("ticket", bytes(16), 16),
    XStrField("noise1", b""),
)
"""A ticket of an earlier session is redeemed; mac and mac1 are the end of `noise1`."""
R2 = layer("r2", *opening(HANDSHAKE, 6), XLEIntField("label_b", 0), XStrField("noise2", b""))
Cookie = layer(
    "cookie",
    *opening(COOKIE, 0),
    XStrFixedLenField("cookie", bytes(16), 16),
    XStrFixedLenField("mac1", bytes(16), 16),
)


def sliced(name: str, kind: int) -> Any:
    """A slice of a sealed envelope behind its 16-byte header."""
    return layer(
        name,
        ByteField("type", kind),
        ByteField("index", 0),
        ByteField("count", 1),
        ByteField("epoch", 0),
        XLEIntField("label", 0),
        LELongField("counter", 0),
        XStrField("slice", b""),
    )


Data, Control = sliced("data", DATA), sliced("control", CONTROL)


def probing(name: str, kind: int) -> Any:
    """A probe, or the answer to one."""
    return layer(
        name,
        ByteField("type", kind),
        ByteField("epoch", 0),
        LEShortField("slot", 0),
        XLEIntField("label", 0),
        XLEIntField("attempt", 0),
        XStrFixedLenField("random", bytes(8), 8),
        XStrFixedLenField("mac", bytes(16), 16),
    )


Probe, ProbeAnswer = probing("probe", PROBE), probing("answer", PROBE_ANSWER)

Stun = layer(
    "stun",
    ShortField("type", 1),
    ShortField("length", 0),
    IntField("magic", MAGIC_COOKIE),
    XStrFixedLenField("transaction", bytes(12), 12),
    XStrField("attributes", b""),
)

Beacon = layer("beacon", XStrFixedLenField("random", bytes(16), 16), XStrFixedLenField("mac1", bytes(16), 16))

Other = layer("other", XByteField("type", 0xFF), XStrField("bytes", b""))
"""What no frame of ours looks like."""

HANDSHAKES = {
    1: (M1, M1_SIZE, M1_SIZE),
    2: (M2, M2_SIZE, M2_SIZE),
    3: (M3, M3_LEAST, 2048),
    4: (M4, M4_LEAST, 2048),
    5: (R1, R1_LEAST, 2048),
    6: (R2, R2_LEAST, 2048),
}
"""Step -> (layer, least size, largest size)."""

LAYERS = (M1, M2, M3, M4, R1, R2, Cookie, Data, Control, Probe, ProbeAnswer, Stun, Beacon, Other)


def choose(payload: bytes) -> Any:
    """The layer that `payload` has the looks of; `Other` if none."""
    size = len(payload)
    if size < 4:
        return Other
    kind, second, _, fourth = payload[:4]
    if kind == HANDSHAKE and second in HANDSHAKES and not fourth:
        chosen, least, most = HANDSHAKES[second]
        return chosen if least <= size <= most else Other
    if kind == COOKIE and not second and not fourth:
        return Cookie if size == COOKIE_SIZE else Other
    if Header.parse(payload) is not None and size > HEADER_SIZE:
        return Data if kind == DATA else Control
    if kind in (PROBE, PROBE_ANSWER) and size == PROBE_SIZE:
        return Probe if kind == PROBE else ProbeAnswer
    if kind <= STUN_LAST and size >= 20 and struct.unpack_from(">I", payload, 4)[0] == MAGIC_COOKIE:
        return Stun
    return Other


def dissect(payload: bytes, port: int = 0) -> list[Any]:
    """A UDP payload, sent to `port`, as layers: one, or all slices of a batch that the kernel had not yet cut when it
    was captured."""
    if not payload:
        return [Other(type=0, bytes=b"")]
    if port == BEACON_PORT:  # only that tells a beacon, its bytes say nothing
        return [(Beacon if len(payload) == BEACON_SIZE else Other)(payload)]
    chosen = choose(payload)
    if chosen not in (Data, Control):
        return [chosen(payload)]
    return [chosen(piece) for piece in uncut(payload)]


def uncut(payload: bytes) -> list[bytes]:
    """Split a batch at the headers that must follow: same envelope, next index, then its parity slices."""
    kind, index, count = payload[:3]
    pieces: list[bytes] = []
    while True:
        for following in _next(index, count):
            at = payload.find(bytes((kind, following, count)) + payload[3:HEADER_SIZE], HEADER_SIZE + 1)
            if at > 0:
                break
        else:
            return [*pieces, payload]
        pieces.append(payload[:at])
        payload, index = payload[at:], following


def _next(index: int, count: int) -> list[int]:
    """The indexes that may follow `index` in one batch."""
    if index < count - 1:
        return [index + 1]
    if index >= count:
        k, number = parity_place(index)
        return [index + 1] if number + 1 < k else []
    return [parity_index(k, 0) for k in PARITIES if k <= count]


__all__ = ["HANDSHAKES", "LAYERS", "Packet", "choose", "dissect", "uncut"]
