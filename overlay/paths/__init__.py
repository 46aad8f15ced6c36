"""Ways to each peer and which one carries now (protocol section 5).

    paths       the machine: what is told -> ways proven, chosen, kept alive
    peer        one peer: its ways, and the choice between them
    way         one way: proof, round trips, size
    dials       addresses a person gave or disk remembers, tried until somebody answers
    endpoints   pure: which endpoints are ours, which may be dialled
    estimate    round-trip time, jitter, loss

NAT traversal hangs in here with the punch engine.
"""
