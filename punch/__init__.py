"""The punch engine: gets two hosts behind NATs a direct UDP path, without owning a socket.

    values    what things are            machine   the six verbs every machine has
    facts     what the engine is told    commands  what it asks for      events    what happened
    signals   what two engines say       timers    when                  limiter   how much
    config    the [punch] and [stun] tables
    sim/      a world in virtual time: hosts, links with delay and loss

Imports itself and msgspec, nothing else.
"""
