"""Worlds: whole nodes in virtual time, with faults from a seed, and what must hold whatever happens.

    seed --plan--> places, walls, faults --story--> town of nodes, traffic --watch--> Outcome
                      |                                                       | broken
                      +----- --only 3,5 (a part of the faults) <-- shrink <---+

faults    what may go wrong, as values: a script a person can read and a machine can shorten
plan      a seed and a kind become a script
town      the nodes of a plan in their places; does to them what the faults say
hostile   members that lie: relays that swallow and swap, records that claim what is not theirs
traffic   packets that are told apart, and what became of each
watch     the invariants, after every step of every node
story     one world from its first join to its end
shrink    the fewest faults that still break it
hunt      many worlds on all cores
"""
