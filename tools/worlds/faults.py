"""What may go wrong in a world, as values: when, what, to whom, how much.

12.0 s for  8.5 s   cut      ann bob          a row of a script, as it is printed
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

WORDS: dict[str, str] = {
    "cut": "nothing passes between two hosts",
    "deaf": "the first does not reach the second, the second reaches the first",
    "unplug": "a host's cables are out; it keeps its addresses",
    "part": "two halves of the world do not reach each other",
    "loss": "this share of a host's datagrams vanishes, each way",
    "delay": "a host's wires take so many seconds more, each way",
    "jitter": "and up to so many seconds more, by chance",
    "reorder": "this share of a host's datagrams is overtaken by later ones",
    "double": "this share of a host's datagrams arrives twice",
    "mtu": "a host's wires drop IP packets above so many bytes",
    "crash": "killed; back with its disk",
    "wipe": "killed; back as a stranger, its disk is new",
    "spoil": "killed; back with a memory that bits were flipped in",
    "forget": "killed; back with its identity and nothing else",
    "leave": "leaves politely; back with its disk",
    "late": "is not there before",
    "stop": "SIGSTOP, then SIGCONT",
    "clock": "its wall clock jumps",
    "roam": "elsewhere, behind another NAT, with another address",
    "flush": "its NAT forgets every mapping",
    "renat": "its NAT becomes one that chooses ports by chance for each destination",
    "full": "its disk is full: what it learns is not kept",
}
"""Kind of a fault -> what it does from its beginning to its end."""


class Fault(Struct, frozen=True):
    """One thing that goes wrong, and is over again."""

    at: float
    """Seconds since the world began."""
    lasts: float
    """Seconds until it is over; 0: nothing is left to undo."""
    kind: str
    """One of WORDS."""
    who: str
    """A host; of `part`, the hosts of one half, with blanks between."""
    other: str = ""
    """The second host, where there are two."""
    amount: float = 0.0
    """Share, seconds or bytes, as the kind says."""

    @property
    def until(self) -> float:
        """When it is over."""
        return self.at + self.lasts

    def __str__(self) -> str:
        """A row of the script."""
        amount = f" {self.amount:g}" if self.amount else ""
        return f"{self.at:7.2f} s for {self.lasts:6.2f} s   {self.kind:8}{amount} {self.who} {self.other}".rstrip()


def chosen(faults: Sequence[Fault], only: Collection[int] | None) -> tuple[Fault, ...]:
    """The faults with these numbers; None: all of them."""
    return tuple(each for number, each in enumerate(faults) if only is None or number in only)


def table(faults: Sequence[Fault], only: Collection[int] | None = None) -> str:
    """The script as people read it; each row begins with its number."""
    rows = [f"{number:3} {each}" for number, each in enumerate(faults) if only is None or number in only]
    return "\n".join(rows) or "    no fault at all"


LIES: dict[str, str] = {
    "swallow": "accepts circuits and forwards nothing",
    "hold": "forwards late, by up to three seconds",
    "twice": "forwards everything twice",
    "shuffle": "forwards in another order",
    "swap": "puts the label of one circuit on the frames of another",
    "mint": "brings one made-up member after the other",
    "replay": "sends records that are out of date",
    "claim": "claims the addresses and endpoints of others",
    "free": "says that it reaches everybody at no cost",
}
"""What a hostile member may do -> in words."""
