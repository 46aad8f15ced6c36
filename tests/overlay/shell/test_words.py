"""What a running `join` says."""

from __future__ import annotations

from overlay.node.events import NodeUp
from overlay.shell.words import address_words


def test_another_address_comes_with_its_reason() -> None:
    why = "ben has it by --ip: 10.222.40.204 is no longer this device's"
    moved = NodeUp("anna", "10.222.19.184", "fd3a::1", why)
    assert address_words(moved) == f"anna has the address 10.222.19.184 now ({why})"
    assert address_words(NodeUp("anna", "10.222.19.184", "fd3a::1")) == "anna has the address 10.222.19.184 now"
