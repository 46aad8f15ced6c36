"""The punch engine: gets two hosts behind NATs a direct UDP path, without owning a socket.

    values    what things are            machine   the six verbs every machine has
    facts     what the engine is told    commands  what it asks for      events    what happened
    signals   what two engines say       timers    when                  limiter   how much
    addresses which kind of host an address is
    config    the [punch] and [stun] tables
    engine    the hall: many attempts, one budget          schedule  when a peer is tried
    incoming  probes to their attempts
    attempt   one peer, one try        bench   its desk      terms     what two offers amount to
    strategies/  one way to meet a file, and the table of which suits whom
    detect/   what NAT is in front of us, and the STUN service       predict/  where the next port may be
    outlet    the one door by which it sends        budget, manners    how much, and where to
    holes     sockets before promotion              sampler, stun, probe   bytes
    sim/      a world in virtual time: hosts, NATs, links with delay and loss

Imports itself and msgspec, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from punch.engine import Engine

__all__ = ["Engine"]


def __getattr__(name: str) -> Any:
    """`punch.Engine` is loaded when asked for, so that `punch.values` costs what it must and no more."""
    if name == "Engine":
        from punch.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
