"""Names: equal ones get numbers, the same at every node."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from overlay.config.names import is_label
from overlay.gossip.names import unique_names
from overlay.values import NodeId


def node(number: int) -> NodeId:
    return NodeId(bytes([number]) * 32)


def test_the_smaller_id_keeps_the_bare_name() -> None:
    given_names = unique_names([(node(3), "home"), (node(1), "home"), (node(2), "vps"), (node(2), "x")][:3])
    assert given_names == {node(1): "home", node(3): "home-2", node(2): "vps"}


def test_case_does_not_make_two_names() -> None:
    assert unique_names([(node(1), "Home"), (node(2), "home")]) == {node(1): "Home", node(2): "home-2"}


def test_a_number_that_is_a_name_is_left_out() -> None:
    members = [(node(1), "home"), (node(2), "home"), (node(9), "home-2"), (node(3), "home")]
    assert unique_names(members) == {node(1): "home", node(9): "home-2", node(2): "home-3", node(3): "home-4"}


def test_a_numbered_name_is_still_a_label() -> None:
    longest = "a" * 61 + "-b"
    names = unique_names([(node(number), longest) for number in range(12)])
    assert len({name.lower() for name in names.values()}) == 12
    assert all(is_label(name) for name in names.values())


@given(
    st.dictionaries(st.binary(min_size=32, max_size=32), st.sampled_from(["a", "A", "a-2", "a-2-2", "b"]), max_size=12),
    st.randoms(use_true_random=False),
)
def test_all_nodes_agree_and_no_name_comes_twice(members: dict[bytes, str], dice: object) -> None:
    pairs = [(NodeId(raw), name) for raw, name in members.items()]
    names = unique_names(pairs)
    assert len({name.lower() for name in names.values()}) == len(members)
    assert unique_names(reversed(pairs)) == names
