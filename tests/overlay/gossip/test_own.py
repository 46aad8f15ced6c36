"""Our own record: when links that must wait are said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from overlay.gossip.own import OwnRecord
from overlay.gossip.record import RecordLink
from overlay.identity import Identity, network_keys
from overlay.values import NodeId

FIRST, SECOND = (RecordLink(NodeId(bytes([1]) * 16), cost) for cost in (4, 5))


def own() -> OwnRecord:
    return OwnRecord(
        Identity(b"i" * 32),
        network_keys("home", b"k" * 32),
        name="ann",
        ipv4="",
        fixed=False,
        version="1",
        relay=True,
        boot=b"b" * 8,
        sequence=0,
    )


@given(st.floats(0, 1e9))
def test_links_that_had_to_wait_are_said_when_they_are_due(began: float) -> None:
    record = own()
    record.describe((), (FIRST,), relay=True, nat="unknown", now=began)
    record.describe((), (SECOND,), relay=True, nat="unknown", now=began)
    due = record.links_due(now=began)
    assert due is not None
    record.relink(now=due)
    assert record.links_due(now=due) is None
    record.issue()
    assert record.record.links == (SECOND,)
