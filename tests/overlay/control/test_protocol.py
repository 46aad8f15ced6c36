from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay import errors
from overlay.control import protocol
from overlay.control.protocol import Lines, Malformed

ID = "ab" * 32


def test_requests_and_their_defaults() -> None:
    assert protocol.request(b'{"do":"status"}') == {"do": "status"}
    assert protocol.request(b'{"do":"leave","later":1}') == {"do": "leave"}
    asked = protocol.request(protocol.encode({"do": "ping", "peer": ID, "count": 3}))
    assert asked == {"do": "ping", "peer": ID, "count": 3, "interval": 1.0}


def test_requests_to_the_punch_engine() -> None:
    assert protocol.request(b'{"do":"nat"}') == {"do": "nat", "again": False}
    assert protocol.request(protocol.encode({"do": "why", "peer": ID})) == {"do": "why", "peer": ID}
    assert protocol.request(protocol.encode({"do": "direct", "peer": ID})) == {"do": "direct", "peer": ID}
    shown = {"do": "punch", "action": "show", "key": None, "value": None, "peer": None}
    assert protocol.request(b'{"do":"punch"}') == shown
    asked = {"do": "punch", "action": "set", "key": "nat4_nat4", "value": "auto", "peer": ID}
    assert protocol.request(protocol.encode(asked)) == asked
    ceiling = {"do": "punch", "action": "set", "key": "max_pps", "value": 50, "peer": None}
    assert protocol.request(protocol.encode(ceiling)) == ceiling


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"[]",
        b"1",
        b'"status"',
        b"{}",
        b'{"do":1}',
        b'{"do":["status"]}',
        b'{"do":"dance"}',
        b'{"do":"ping"}',
        b'{"do":"ping","peer":"ab"}',
        b'{"do":"ping","peer":"%s","count":0}' % ID.encode(),
        b'{"do":"ping","peer":"%s","count":true}' % ID.encode(),
        b'{"do":"ping","peer":"%s","count":1.5}' % ID.encode(),
        b'{"do":"ping","peer":"%s","interval":0}' % ID.encode(),
        b'{"do":"ping","peer":"%s","interval":NaN}' % ID.encode(),
        b'{"do":"ping","peer":"%s","interval":true}' % ID.encode(),
        b'{"do":"ping","peer":"%s"}' % ID.upper().encode(),
        b'{"do":"nat","again":1}',
        b'{"do":"why"}',
        b'{"do":"why","peer":"ab"}',
        b'{"do":"punch","action":"dance"}',
        b'{"do":"punch","action":"set","key":"nat5_nat5"}',
        b'{"do":"punch","action":"set","key":"max_pps","value":0}',
        b'{"do":"punch","action":"set","key":"max_pps","value":true}',
        b'{"do":"punch","action":"set","key":"nat4_nat4","value":"maybe"}',
        b'{"do":"punch","action":"set","key":"nat4_nat4","value":["auto"]}',
        b'{"do":"punch","peer":"ab"}',
        b"[" * 100_000,
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_request(line: bytes) -> None:
    with pytest.raises(Malformed):
        protocol.request(line)


@given(st.binary(max_size=200))
def test_garbage_is_malformed_and_nothing_else(line: bytes) -> None:
    try:
        request = protocol.request(line)
    except Malformed:
        return
    assert isinstance(request["do"], str)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON))
def test_what_is_encoded_is_one_line_and_comes_back(message: dict[str, object]) -> None:
    line = protocol.encode(message)
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert protocol.decode(line) == message


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=8), st.integers(1, 7))
def test_lines_come_out_whole_however_they_come_in(wanted: list[bytes], size: int) -> None:
    raw = b"".join(line + b"\n" for line in wanted)
    lines, found = Lines(20), []
    for start in range(0, len(raw), size):
        lines.feed(raw[start : start + size])
        while (line := lines.take()) is not None:
            found.append(line)
    assert found == wanted


def test_a_line_without_end_is_refused() -> None:
    lines = Lines(10)
    lines.feed(b"x" * 10)
    with pytest.raises(Malformed):
        lines.feed(b"x")


@pytest.mark.parametrize(
    "kind",
    [errors.UsageError, errors.NotRunning, errors.NoReply, errors.NotPermitted, errors.NoSuchPeer, errors.OverlayError],
)
def test_errors_cross_with_class_code_and_fix(kind: type[errors.OverlayError]) -> None:
    reply = json.loads(protocol.encode(protocol.error_reply(kind("what", "fix it", code="word"))))
    found = protocol.error_of(reply)
    assert type(found) is kind
    assert (found.text, found.fix, found.code, found.exit_code) == ("what", "fix it", "word", kind.exit_code)


@pytest.mark.parametrize("reply", [{}, {"error": None}, {"error": "text"}])
def test_other_replies_tell_no_error(reply: dict[str, object]) -> None:
    assert protocol.error_of(reply) is None


def test_a_hollow_error_is_one_still() -> None:
    found = protocol.error_of({"error": {"exit_code": True}})
    assert found is not None
    assert found.exit_code == 1
