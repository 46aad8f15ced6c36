"""STUN as far as NAT discovery needs it: RFC 8489's binding method with RFC 5780's attributes.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |0 0|   method and class        |  length of the attributes     |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                   magic cookie 0x2112A442                     |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                   transaction (12 bytes)                      |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |      attribute type           |      length of the value      |  value, padded to a multiple of 4
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

All integers are big endian. `pack` and `parse` are ways of each other back; `ATTRIBUTES` is the table of what is read.
"""

from __future__ import annotations

import ipaddress
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal

from msgspec import Struct

from punch.values import Endpoint, udp

COOKIE = 0x2112A442
"""RFC 8489 section 5."""
HEADER = struct.Struct(">HHI12s")
"""Type, length, cookie, transaction."""
TRANSACTION_SIZE = 12
HEAD = struct.Struct(">HH")
"""Of an attribute: its type, and the length of its value."""
ADDRESS = struct.Struct(">xBH")
"""Family and port, before the host (RFC 8489 section 14.1)."""
REMEMBERED = 1024
"""Hosts whose bytes need not be read off their text again."""

Kind = Literal["request", "indication", "response", "error"]
TYPES: dict[Kind, int] = {"request": 0x0001, "indication": 0x0011, "response": 0x0101, "error": 0x0111}
"""The binding method in its four classes (RFC 8489 section 5)."""
KINDS: dict[int, Kind] = {number: kind for kind, number in TYPES.items()}

MASK = COOKIE.to_bytes(4, "big")[:2].rjust(4, b"\0") + COOKIE.to_bytes(4, "big")
"""What lies over family, port and host; the transaction follows (RFC 8489 section 14.2)."""
IPV4, IPV6 = 1, 2
"""Address families (RFC 8489 section 14.1)."""
HOST_SIZES = {IPV4: 4, IPV6: 16}
CHANGE_IP, CHANGE_PORT = 4, 2
"""Flags of CHANGE-REQUEST (RFC 5780 section 7.2)."""
OPTIONAL_FROM = 0x8000
"""Attributes below are comprehension-required (RFC 8489 section 14)."""
FINGERPRINT_XOR = 0x5354554E
"""RFC 8489 section 14.7."""

FINGERPRINT = 0x8028
INTEGRITY = (0x0008, 0x001C)
"""MESSAGE-INTEGRITY and its SHA-256 form: behind them only FINGERPRINT counts (RFC 8489 sections 14.5, 14.6)."""
READ_OVER = {
    0x0006: "USERNAME",
    0x0008: "MESSAGE-INTEGRITY",
    0x0014: "REALM",
    0x0015: "NONCE",
    0x001C: "MESSAGE-INTEGRITY-SHA256",
    0x0026: "PADDING",
    0x0027: "RESPONSE-PORT",
}
"""Comprehension-required attributes that are known and ignored (RFC 8489 section 14, RFC 5780 section 7)."""

UNKNOWN_ATTRIBUTE = 420
"""RFC 8489 section 14.8."""


class StunError(ValueError):
    """These bytes are no STUN binding message; the text is a fixed word, the reason of a counted drop."""


class Message(Struct, frozen=True, kw_only=True):
    """A binding message; attributes that are not there have their defaults."""

    kind: Kind
    transaction: bytes
    """12 bytes."""
    xor_mapped: Endpoint | None = None
    """XOR-MAPPED-ADDRESS: where the request came from, as the server saw it."""
    mapped: Endpoint | None = None
    """MAPPED-ADDRESS: the same unmasked, so a meddling NAT may have rewritten it."""
    origin: Endpoint | None = None
    """RESPONSE-ORIGIN: where the response is sent from."""
    other: Endpoint | None = None
    """OTHER-ADDRESS: the server's other address and port."""
    change_ip: bool = False
    """CHANGE-REQUEST: answer from the other address."""
    change_port: bool = False
    """CHANGE-REQUEST: answer from the other port."""
    error: int = 0
    """ERROR-CODE: 300..699, 0: none."""
    reason: str = ""
    """Text of ERROR-CODE."""
    unknown: tuple[int, ...] = ()
    """UNKNOWN-ATTRIBUTES of an error."""
    software: str = ""
    fingerprint: bool = False
    """A FINGERPRINT is at the end, and it is right."""
    strange: tuple[int, ...] = ()
    """Comprehension-required attributes read here that this codec does not know; never packed."""

    @property
    def seen(self) -> Endpoint | None:
        """The reflexive endpoint: of the masked attribute if there is one."""
        return self.xor_mapped or self.mapped


def is_stun(payload: bytes) -> bool:
    """Whether a datagram is STUN by its first byte (0..3) and the magic cookie; it may still be a bad one."""
    return len(payload) >= HEADER.size and payload[0] <= 3 and payload[4:8] == b"\x21\x12\xa4\x42"


def parse(payload: bytes) -> Message:
    """Read a datagram.

    Raises:
        StunError: it is no whole, sound binding message.
    """
    if not is_stun(payload):
        raise StunError("no_stun")
    number, length, _, transaction = HEADER.unpack_from(payload)
    if length != len(payload) - HEADER.size or length % 4:
        raise StunError("stun_length")
    if number not in KINDS:
        raise StunError("stun_method")
    fields: dict[str, Any] = {}
    strange: list[int] = []
    protected = False
    for kind, value, start in _attributes(payload):
        if kind == FINGERPRINT:
            fields["fingerprint"] = _check_fingerprint(payload, value, start)
            continue
        if protected:
            continue
        protected = kind in INTEGRITY
        _note(kind, value, transaction, fields, strange)
    return Message(kind=KINDS[number], transaction=transaction, strange=tuple(strange), **fields)


def pack(message: Message) -> bytes:
    """Bytes of a message.

    Raises:
        ValueError: the transaction is not 12 bytes, or a field does not fit its attribute.
    """
    if len(message.transaction) != TRANSACTION_SIZE:
        raise ValueError(f"a transaction is 12 bytes, not {len(message.transaction)}")
    body = b""
    for row, pick, absent in _PICKED:
        if (value := pick(message)) != absent:
            body += _pack_attribute(row, value, message.transaction)
    length = len(body) + (8 if message.fingerprint else 0)
    data = HEADER.pack(TYPES[message.kind], length, COOKIE, message.transaction) + body
    if message.fingerprint:
        data += struct.pack(">HHI", FINGERPRINT, 4, zlib.crc32(data) ^ FINGERPRINT_XOR)
    return data


def question(transaction: bytes) -> bytes:
    """`pack` of a request without attributes, as most are."""
    return HEADER.pack(TYPES["request"], 0, COOKIE, transaction)


def _attributes(payload: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Type, value and where each attribute starts."""
    start, end = HEADER.size, len(payload)
    while start < end:
        kind, length = HEAD.unpack_from(payload, start)
        after = start + 4 + length
        if after > end:
            raise StunError("stun_truncated")
        yield kind, payload[start + 4 : after], start
        start = after + -after % 4


def _check_fingerprint(payload: bytes, value: bytes, start: int) -> bool:
    if start + 8 != len(payload) or len(value) != 4:
        raise StunError("stun_fingerprint")
    if zlib.crc32(payload[:start]) ^ FINGERPRINT_XOR != int.from_bytes(value, "big"):
        raise StunError("stun_fingerprint")
    return True


def _note(kind: int, value: bytes, transaction: bytes, fields: dict[str, Any], strange: list[int]) -> None:
    """Put one attribute in its fields; of two alike the first counts (RFC 8489 section 14)."""
    row = _BY_TYPE.get(kind)
    if row is None:
        if kind < OPTIONAL_FROM and kind not in READ_OVER and kind not in strange:
            strange.append(kind)
        return
    if row.fields[0] in fields:
        return
    values = row.read(value, transaction)
    if values is None:
        raise StunError("stun_attribute")
    for name, read in zip(row.fields, values, strict=True):
        fields[name] = read


def _pack_attribute(row: Attribute, value: Any, transaction: bytes) -> bytes:
    data = row.write(value, transaction)
    return HEAD.pack(row.type, len(data)) + data + bytes(-len(data) % 4)


# --- how values are read (None: bad) and written


def _read_address(value: bytes, _: bytes) -> tuple[Endpoint] | None:
    if len(value) < ADDRESS.size:
        return None
    family, port = ADDRESS.unpack_from(value)
    host = value[ADDRESS.size :]
    return (udp(_host(host), port),) if HOST_SIZES.get(family) == len(host) else None


def _write_address(endpoint: Endpoint, _: bytes) -> bytes:
    return ADDRESS.pack(IPV6 if endpoint.is_ipv6 else IPV4, endpoint.port) + _host_bytes(endpoint.host)


@lru_cache(maxsize=REMEMBERED)
def _host(data: bytes) -> str:
    return str(ipaddress.ip_address(data))


@lru_cache(maxsize=REMEMBERED)
def _host_bytes(host: str) -> bytes:
    return ipaddress.ip_address(host).packed


def _mask(value: bytes, transaction: bytes) -> bytes:
    """Port and host with cookie and transaction over them, there and back (RFC 8489 section 14.2)."""
    pattern = MASK + transaction
    size = len(value)
    return (int.from_bytes(value, "big") ^ int.from_bytes(pattern[:size], "big")).to_bytes(size, "big")


def _read_masked(value: bytes, transaction: bytes) -> tuple[Endpoint] | None:
    return _read_address(_mask(value, transaction), transaction) if len(value) <= 20 else None


def _write_masked(endpoint: Endpoint, transaction: bytes) -> bytes:
    return _mask(_write_address(endpoint, transaction), transaction)


def _read_change(value: bytes, _: bytes) -> tuple[bool, bool] | None:
    if len(value) != 4:
        return None
    return bool(value[3] & CHANGE_IP), bool(value[3] & CHANGE_PORT)


def _write_change(wanted: tuple[bool, bool], _: bytes) -> bytes:
    ip, port = wanted
    return struct.pack(">I", (CHANGE_IP if ip else 0) | (CHANGE_PORT if port else 0))


def _read_error(value: bytes, _: bytes) -> tuple[int, str] | None:
    if len(value) < 4 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
        return None
    return (value[2] & 7) * 100 + value[3], value[4:].decode("utf-8", "replace")


def _write_error(error: tuple[int, str], _: bytes) -> bytes:
    code, reason = error
    return struct.pack(">HBB", 0, code // 100, code % 100) + bytes(reason, "utf-8")


def _read_types(value: bytes, _: bytes) -> tuple[tuple[int, ...]] | None:
    return (struct.unpack(f">{len(value) // 2}H", value),) if len(value) % 2 == 0 else None


def _write_types(types: tuple[int, ...], _: bytes) -> bytes:
    return struct.pack(f">{len(types)}H", *types)


def _read_text(value: bytes, _: bytes) -> tuple[str]:
    return (value.decode("utf-8", "replace"),)


def _write_text(text: str, _: bytes) -> bytes:
    return text.encode()


class Attribute(Struct, frozen=True):
    """A row: an attribute's number and name, the fields of Message it fills, and the way there and back."""

    type: int
    name: str
    fields: tuple[str, ...]
    read: Callable[[bytes, bytes], tuple[Any, ...] | None]
    """From a value and the transaction to the values of `fields`; None: it is bad."""
    write: Callable[[Any, bytes], bytes]
    """And back; several fields come as a tuple."""


ATTRIBUTES = (
    Attribute(0x0020, "XOR-MAPPED-ADDRESS", ("xor_mapped",), _read_masked, _write_masked),
    Attribute(0x0001, "MAPPED-ADDRESS", ("mapped",), _read_address, _write_address),
    Attribute(0x802B, "RESPONSE-ORIGIN", ("origin",), _read_address, _write_address),
    Attribute(0x802C, "OTHER-ADDRESS", ("other",), _read_address, _write_address),
    Attribute(0x0003, "CHANGE-REQUEST", ("change_ip", "change_port"), _read_change, _write_change),
    Attribute(0x0009, "ERROR-CODE", ("error", "reason"), _read_error, _write_error),
    Attribute(0x000A, "UNKNOWN-ATTRIBUTES", ("unknown",), _read_types, _write_types),
    Attribute(0x8022, "SOFTWARE", ("software",), _read_text, _write_text),
)
"""RFC 8489 section 14, RFC 5780 section 7; in the order they are packed."""
_BY_TYPE = {row.type: row for row in ATTRIBUTES}
_BLANK = Message(kind="request", transaction=bytes(TRANSACTION_SIZE))
_PICKED = tuple((row, pick := attrgetter(*row.fields), pick(_BLANK)) for row in ATTRIBUTES)
"""Each row, how its value is taken from a message, and what it is where there is none."""
