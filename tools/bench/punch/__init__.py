"""How soon, and with how little, two hosts behind NATs get direct: real nodes in the kernel lab, ours beside others'.

rows     the pairs, with floor and aim          trial   one run of one pair: what was measured
ours     `overlay join` on three hosts          rivals  the compiled peers a person names
watch    NAT entries and datagrams on the wire  figures detection time, throughput of a punched path
table    medians, verdicts, text (pure)         command `python -m tools.bench punch`
"""

from tools.bench.punch.command import main

__all__ = ["main"]
