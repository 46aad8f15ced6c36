"""Pure: links -> cost, relays, and what our record says of ours (design section 3, protocol section 8).

values    what is looked at: Neighbour, Target
costs     RTT and loss -> a cost in steps of 1.5x, and back
choose    who carries to a peer, best first; which links of ours the record names
"""
