from __future__ import annotations

import pytest

from overlay.control.peers import choose, is_self
from overlay.errors import NoSuchPeer
from tests.overlay.control.fake import IDS, home, peer, status


@pytest.mark.parametrize("word", ["phone", "PHONE", "10.222.7.9", "fd3a::9", "FD3A:0::9", IDS["phone"], "a2", "A2A2"])
def test_a_peer_by_name_address_or_start_of_id(word: str) -> None:
    assert choose(home(), word)["name"] == "phone"


@pytest.mark.parametrize("word", ["", "zoe", "10.222.7.99", "fd3a::99", "::::", "ff", "10.222.7"])
def test_nobody_of_that_name_lists_who_is_there(word: str) -> None:
    with pytest.raises(NoSuchPeer) as caught:
        choose(home(), word)
    assert "vps (10.222.7.2), phone (10.222.7.9), nas (10.222.7.3)" in caught.value.fix


def test_an_ambiguous_start_lists_the_candidates() -> None:
    with pytest.raises(NoSuchPeer) as caught:
        choose(home(), "a")
    assert "vps" in caught.value.text
    assert "phone" in caught.value.text
    assert "nas" not in caught.value.text


def test_a_name_wins_over_the_start_of_an_id() -> None:
    snapshot = status(peer("vps", 2, name="b3"), peer("nas", 3))
    assert choose(snapshot, "b3")["ipv4"] == "10.222.7.2"


def test_the_exact_name_wins_over_other_capitals() -> None:
    snapshot = status(peer("vps", 2, name="Box"), peer("nas", 3, name="box"))
    assert choose(snapshot, "box")["id"] == IDS["nas"]
    assert choose(snapshot, "Box")["id"] == IDS["vps"]


@pytest.mark.parametrize("word", ["laptop", "10.222.7.1", "fd3a::1", "c4c4"])
def test_oneself_is_no_peer(word: str) -> None:
    assert is_self(home(), word)
    with pytest.raises(NoSuchPeer, match="itself"):
        choose(home(), word)


def test_nobody_there_yet() -> None:
    with pytest.raises(NoSuchPeer) as caught:
        choose(status(), "zoe")
    assert "nobody yet" in caught.value.fix


def test_a_crowd_is_not_listed_whole() -> None:
    snapshot = status(*(peer("vps", number, name=f"n{number}") for number in range(40)))
    with pytest.raises(NoSuchPeer) as caught:
        choose(snapshot, "zoe")
    assert "28 more" in caught.value.fix
