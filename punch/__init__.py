"""The punch engine: gets two hosts behind NATs a direct UDP path, without owning a socket.

    values    what things are            machine   the six verbs every machine has
    commands  what a machine asks for    timers    when            limiter  how much
    config    the [punch] and [stun] tables
    sim/      a world in virtual time: hosts, links with delay and loss

Imports itself and msgspec, nothing else.
"""
