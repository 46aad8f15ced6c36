from __future__ import annotations

import pytest

from overlay.errors import UsageError
from overlay.lab import Lab, load_scenario
from overlay.lab.entries import conntrack
from overlay.lab.foreign import target

TABLE = """\
ipv4     2 udp      17 27 src=192.168.1.2 dst=198.51.100.10 sport=5001 dport=7000 [UNREPLIED] src=198.51.100.10 \
dst=198.51.100.21 sport=7000 dport=5001 mark=0 zone=0 use=2
ipv4     2 udp      17 117 src=192.168.1.2 dst=198.51.100.11 sport=5001 dport=7001 src=198.51.100.11 \
dst=198.51.100.21 sport=7001 dport=5001 [ASSURED] mark=0 zone=0 use=2
ipv4     2 tcp      6 431999 ESTABLISHED src=192.168.1.2 dst=198.51.100.10 sport=1 dport=2 src=198.51.100.10 \
dst=198.51.100.21 sport=2 dport=1 [ASSURED] mark=0 zone=0 use=2
odd line
"""


def test_netfilters_entries_are_counted_by_their_first_tuple() -> None:
    entries = conntrack(TABLE)
    assert (entries.alive, entries.peak) == (2, 2)
    assert entries.by_inside == {"192.168.1.2": 2}
    assert entries.by_destination == {"198.51.100.10": 1, "198.51.100.11": 1}
    assert conntrack("").alive == 0


def test_strangers_talk_to_somebody_outside() -> None:
    assert target(load_scenario("nat3-numgen"), "router-b") == "198.51.100.10"


def test_a_scene_with_a_userspace_nat_wants_to_be_told_its_command() -> None:
    with pytest.raises(UsageError, match="userspace"):
        Lab("seq-seq")
