"""A world in virtual time: hosts on networks, joined by links that delay, lose, repeat and reorder.

    host  --up-->  network  --down-->  host          one segment: the internet, or a LAN
                     |  ^
                   out  in                           a router: LAN addresses as they are, or translated
                     v  |
                   network upstream

Time jumps to the next thing that happens; nothing ever waits. One seed, one story: every die is thrown by a generator
of the world, and nothing hangs on the order of a set or on the hash of a string.

host      what a host is: the verbs of a machine, with endpoints
link      how one direction of a wire treats what it carries
network   segments, ports, routers
model     what a NAT is like, as a value
nat       a NAT as a router: mappings, sessions, filter, table
ports     where its outside ports come from
screen    its screen against scans
zoo       NATs by name, and what is true of each

Around engines, and not imported here: engine_host and stun_host live in a world, meeting is a world of them, duel one
of two engines, matrix many duels as a table.
world     the clock, the hosts, and what a test does to them
journal   what happened, as a digest and as a sequence diagram
"""

from punch.sim.host import Datagram, Host
from punch.sim.journal import Journal
from punch.sim.link import Link
from punch.sim.model import NatModel
from punch.sim.nat import Nat
from punch.sim.network import OpenRouter, Router
from punch.sim.world import Stuck, TooLate, World

__all__ = [
    "Datagram",
    "Host",
    "Journal",
    "Link",
    "Nat",
    "NatModel",
    "OpenRouter",
    "Router",
    "Stuck",
    "TooLate",
    "World",
]
