"""What a NAT is like, as one value that worlds, scenario files and the userspace NAT share.

mapping x filtering      RFC 4787 sections 4 and 5
allocator                where the outside port of a new mapping comes from
lifetimes, table, rate   how long an entry lives, how many there may be, how fast they may come
input                    what happens to a packet nobody asked for
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Allocator = Literal[
    "preserving",
    "sequential",
    "block",
    "cluster",
    "uniform",
    "multicore",
    "mixed",
    "half",
    "two-blocks",
    "scatter",
    "random-step",
    "swapped",
]
"""The first five are what predictors model (nat-science section 4.1); the others are what some NATs do all the same."""

LOW_PORT, HIGH_PORT = 1024, 65535
Seconds = Annotated[float, Meta(gt=0.0)]
Chance = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0)]


class NatModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One NAT. The defaults are a home router that keeps ports (NAT3); a count or rate of 0 is no limit."""

    mapping: Literal["eim", "adm", "apdm"] = "eim"
    filtering: Literal["eif", "adf", "apdf"] = "apdf"
    allocator: Allocator = "preserving"
    low: Annotated[int, Meta(ge=1, le=HIGH_PORT)] = LOW_PORT
    """Lowest outside port."""
    high: Annotated[int, Meta(ge=1, le=HIGH_PORT)] = HIGH_PORT
    """Highest outside port."""
    step: Annotated[int, Meta(ge=-4096, le=4096)] = 1
    """sequential, multicore, mixed, half: what a counter advances by; random-step: at most by so much."""
    size: Annotated[int, Meta(ge=1, le=HIGH_PORT)] = 512
    """block, two-blocks: ports in a block."""
    aligned: bool = True
    """block, two-blocks: begins a multiple of `size` above `low`; False: anywhere."""
    width: Annotated[int, Meta(ge=1, le=4096)] = 16
    """cluster: mean distance of a new port from an earlier one."""
    cores: Annotated[int, Meta(ge=1, le=64)] = 4
    """multicore: counters, one of which a mapping gets."""
    share: Chance = 0.6
    """mixed: part of the mappings that a counter serves, the rest are uniform; half: part that keeps its port."""
    conflict: Chance = 0.0
    """preserving: chance that the port is another's already; the mapping then gets a uniform one."""
    parity: bool = False
    """The outside port is even exactly if the inside one is (RFC 4787, REQ-4)."""
    foreign: Annotated[float, Meta(ge=0.0, le=100_000.0)] = 0.0
    """Mappings a second that others make: they advance counters and hold ports."""
    pooling: Literal["paired", "arbitrary"] = "paired"
    """Several public addresses: one an inside host, or one a mapping (RFC 4787, REQ-2)."""
    unreplied: Seconds = 30.0
    """Seconds an entry lives that nothing came back for (nf_conntrack_udp_timeout)."""
    replied: Seconds = 120.0
    """Seconds an entry lives otherwise (nf_conntrack_udp_timeout_stream)."""
    inbound_refresh: bool = True
    """What comes in keeps an entry alive as what goes out does (RFC 4787, REQ-6 asks for the latter only)."""
    table: Count = 0
    """Entries at most; a new one is dropped where all are taken."""
    host_table: Count = 0
    """Entries at most for each inside host (the quota of a carrier's subscriber)."""
    new_rate: Annotated[float, Meta(ge=0.0)] = 0.0
    """New entries a second at most, with a burst of one second's."""
    scan_ports: Count = 0
    """A source that touches so many ports of one host within `scan_window` is blocked for `scan_block`."""
    scan_window: Seconds = 0.005
    """Juniper SRX: 5 ms for 10 ports (nat-science section 5.6)."""
    scan_block: Seconds = 10.0
    input: Literal["drop", "reject", "accept"] = "drop"
    """Packets nobody asked for. accept: they leave an entry, and a later mapping to their source must take another
    port: the NAT is poisonable (nat-science section 5.4). reject: answered with ICMP, no entry."""
    hairpin: bool = False
    """Inside hosts reach each other by their outside endpoints (RFC 4787, REQ-9)."""
    udp: bool = True
    """False: no UDP passes."""

    def faults(self) -> list[str]:
        """What does not fit together, for whoever wrote it by hand."""
        faults = []
        if self.low > self.high:
            faults.append(f"low {self.low} is above high {self.high}")
        elif self.allocator in ("block", "two-blocks") and self.size > self.high - self.low + 1:
            faults.append(f"a block of {self.size} does not fit into {self.low}-{self.high}")
        if self.allocator == "sequential" and self.step == 0:
            faults.append("a counter with step 0 stands still")
        return faults
