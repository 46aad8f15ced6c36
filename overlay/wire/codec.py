"""msgpack, at this one door: values <-> bytes (protocol section 2).

    +------+----------------------+------------------+
    | kind | fields in wire order | zeros, any number|      one msgpack array, then padding
    +------+----------------------+------------------+

Whatever the bytes are, decoding returns a typed value or raises `Malformed`; nothing else comes out of here.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgpack
import msgspec

from overlay.wire.messages import KINDS, Message, Signal
from punch import signals

T = TypeVar("T")

MAX_CONTROL = 16_384
"""Plaintext bytes of a control frame at most, padding included (protocol section 2)."""

MAX_ARRAY = 1024
"""Elements of an array at most (a signal may name 1,024 holes): bounds what a lying length makes us allocate."""

MAX_MAP = 24
"""Pairs of a map at most; only the NAT profile inside a signal is one."""

_KIND_OF = {message: kind for kind, message in KINDS.items()}


class Malformed(Exception):
    """The bytes are not what their sender should have sent; `reason` is a fixed word, counted as a drop."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        """size, msgpack, trailing, kind or fields."""


def encode_message(message: Message, *, size: int = 0) -> bytes:
    """The plaintext of a control frame: `[kind, fields...]`, zero-padded to `size` bytes where it is shorter."""
    fields = msgspec.to_builtins(message, builtin_types=(bytes,))
    plain: bytes = msgpack.packb([_KIND_OF[type(message)], *fields], use_bin_type=True)
    return plain.ljust(size, b"\0")


def decode_message(plain: bytes | memoryview) -> Message:
    """Read the plaintext of a control frame; extra trailing fields are ignored, so that later minors may add some.

    Raises:
        Malformed: for anything else than one known array and zeros.
    """
    values, rest = _parse(plain, MAX_CONTROL)
    if rest.count(0) != len(rest):
        raise Malformed("trailing", "bytes behind the array that are not zero")
    if not isinstance(values, list) or not values or type(values[0]) is not int:
        raise Malformed("kind", "not an array that begins with its kind")
    kind = KINDS.get(values[0])
    if kind is None:
        raise Malformed("kind", "unknown")
    message = _typed(values[1:], kind)
    if isinstance(message, Signal):
        _check_signal(values[1])
    return message


def pack(values: object) -> bytes:
    """One msgpack object: plain values, lists, tuples and array-like structs, nested as they are."""
    packed: bytes = msgpack.packb(msgspec.to_builtins(values, builtin_types=(bytes,)), use_bin_type=True)
    return packed


def unpack(data: bytes | memoryview, type_: type[T], *, limit: int = MAX_CONTROL) -> T:
    """Read one msgpack object of `limit` bytes at most, with nothing behind it, as a `type_`.

    Raises:
        Malformed: for anything else.
    """
    values, rest = _parse(data, limit)
    if rest:
        raise Malformed("trailing", f"{len(rest)} bytes behind the object")
    return _typed(values, type_)


def _parse(data: bytes | memoryview, limit: int) -> tuple[Any, bytes]:
    """The first object and what follows it. Small maps, no extension types: no message of ours has any."""
    if len(data) > limit:
        raise Malformed("size", f"{len(data)} bytes of {limit} at most")
    try:
        values = msgpack.unpackb(
            data, raw=False, use_list=True, max_array_len=MAX_ARRAY, max_map_len=MAX_MAP, max_ext_len=0
        )
    except msgpack.ExtraData as extra:
        return extra.unpacked, bytes(extra.extra)
    except (ValueError, RecursionError, MemoryError, TypeError, OverflowError) as fault:
        raise Malformed("msgpack", str(fault)) from None
    return values, b""


def _check_signal(body: Any) -> None:
    """What types leave open: hosts are numeric, ports and words in range; the engine's own reader knows."""
    try:
        signals.read(body)
    except msgspec.ValidationError as fault:
        raise Malformed("fields", str(fault)) from None


def _typed(values: Any, type_: type[T]) -> T:
    """`values` as a `type_`, checked field by field; text never passes for bytes."""
    try:
        return msgspec.convert(values, type_, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError) as fault:
        raise Malformed("fields", str(fault)) from None
