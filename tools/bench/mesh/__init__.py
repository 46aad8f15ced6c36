"""The mesh under faults: what whoever uses it feels of them, and what it costs.

command   arguments, rounds, what is told          table    samples -> figures beside floor and aim; pure
row       what a row is                             rows     every one of them with its goals
gaps      a fault under a TCP stream               stream   iperf3, 100 ms a look; the longest silence
restart   a member that comes back
lossy     TCP over long and lossy ways, us beside raw and wireguard-go; a shared queue; a clean one
game      small packets over a lossy way
crowd     thirty real processes on one machine     churn    members in and out for half an hour
scenes    hosts and nodes that the rows start from
virtual   hundreds and a thousand members in virtual time
"""

from tools.bench.mesh.command import main

__all__ = ["main"]
