"""Pure: links -> cost, relays, and what our record says of ours (design section 3, protocol section 8).

values    what is looked at and found: Neighbour, Stated, Candidate
costs     RTT, jitter and loss -> weighed milliseconds, and a cost in steps of 1.5x
search    the cheapest ways to a target, backwards over who lists whom
roads     the records' links, searches kept until they change, who may carry, who is handed on to
choose    which links of ours the record names
"""
