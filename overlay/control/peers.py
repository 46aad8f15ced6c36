"""Which peer a person means: its name, an overlay address, or the start of its id."""

from __future__ import annotations

from overlay.control.protocol import Json
from overlay.errors import NoSuchPeer

_SHOWN = 12
"""Candidates listed at most."""


def choose(status: Json, word: str) -> Json:
    """The peer of `status` called `word`: a name first, then an address, then the start of an id.

    Raises:
        NoSuchPeer: nobody is, or several are; candidates are listed.
    """
    found = matching(status, word)
    if len(found) == 1:
        return found[0]
    if found:
        raise NoSuchPeer(f"{word} may be any of {_listed(found)}", "give more of the id, or the name")
    if is_self(status, word):
        raise NoSuchPeer(f"{word} is this node itself", f"peers here: {_listed(status['peers'])}")
    raise NoSuchPeer(f"there is no peer {word} in {status['network']['name']}", f"peers: {_listed(status['peers'])}")


def matching(status: Json, word: str) -> list[Json]:
    """All peers that `word` may mean."""
    peers: list[Json] = status["peers"]
    return (
        [peer for peer in peers if peer["name"] == word]
        or [peer for peer in peers if _same_word(peer, word)]
        or [peer for peer in peers if word and peer["id"].startswith(word.lower())]
    )


def is_self(status: Json, word: str) -> bool:
    """True if `word` means this node and no peer."""
    own: Json = status["self"]
    if matching(status, word):
        return False
    return _same_word(own, word) or bool(word and own["id"].startswith(word.lower()))


def _same_word(node: Json, word: str) -> bool:
    """A name in any case (DNS does not tell them apart), or an address in any spelling."""
    if node["name"].lower() == word.lower():
        return True
    return bool(node["ipv6"] == _plain(word) if ":" in word else node["ipv4"] == word)


def _plain(word: str) -> str:
    """The usual spelling of an IPv6 address; `word` itself if it is none."""
    import ipaddress  # only here: it takes longer to import than all the rest of this module

    try:
        return str(ipaddress.IPv6Address(word))
    except ValueError:
        return word


def _listed(peers: list[Json]) -> str:
    names = [f"{peer['name']} ({peer['ipv4'] or peer['id'][:10]})" for peer in peers[:_SHOWN]]
    more = f" and {len(peers) - _SHOWN} more" if len(peers) > _SHOWN else ""
    return ", ".join(names) + more if names else "nobody yet"
