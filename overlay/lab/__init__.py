"""The lab: hosts, switches and home routers in network namespaces, told by a scenario file.

    configs/lab/two-nat.toml          shelf     where the files lie
            |                         scenario  what stands where (TOML -> values, every fault named)
            |                         story     scenario -> one shell script of `ip` and `nft` (pure)
            v                         stage     Lab: runs the script, starts processes, cleans up whatever happens
     vps --- internet                 process   a started process and what it said
            /        \\                node      `overlay join` on a host, and commands that talk to it
       home-a       home-b            transfer  a small TCP transfer for hosts without iperf3
         |             |
        anna          ben

userspace  routers whose NAT is a program on a TUN (tools/natlab in a checkout)
foreign    mappings that somebody else makes on a router        entries  how many a router's NAT holds

The demo, the kernel tests and the bench stand on it. Needs root, `ip` and `nft`; nothing of the host's own network is
touched: every device lives in a namespace of the lab.
"""

from overlay.lab.node import LabNode
from overlay.lab.process import Process
from overlay.lab.scenario import Scenario
from overlay.lab.shelf import load_scenario, scenario_names
from overlay.lab.stage import Lab

__all__ = ["Lab", "LabNode", "Process", "Scenario", "load_scenario", "scenario_names"]
