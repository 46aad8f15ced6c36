"""The userspace NAT of the lab: punch.sim's model of a NAT, on a TUN device, with real packets.

    [nat0] --> packets: what it is --> translate: one Nat each for UDP, TCP, echo --> packets: rewritten --> [nat0]

    __main__  reads the device, writes counters
    virtual   the same scenario file in virtual time
    forget    a NAT, in netfilter or here, loses its table

A wide-area network beside it, on a TUN of its own: delay, loss, rates with queues, cuts, changed while things run.

    star      hosts and homes on one router, and what their tests say to it
    wan       reads the device, delays, writes          wide   the model

Routes of the router's namespace lead everything through the device (overlay.lab.userspace).
"""

import sys
from pathlib import Path

COMMAND = ("env", f"PYTHONPATH={Path(__file__).parents[2]}", sys.executable, "-m", "tools.natlab")
"""What `Lab(userspace_nat=...)` is given."""
