"""Every parser, fed what no honest sender sends: `python -m tools.fuzz [--inputs N] [--seconds S] [TARGET...]`.

mutate   valid inputs -> nearly valid ones, byte by byte
twist    valid structures -> ones that decode, with a value in them that makes no sense
target   what a target is: valid inputs, a room to feed, what it may raise
targets  the table of them
run      inputs in blocks, each replayable from its seed; failing inputs, and the command that replays each
rooms    machines, wholes (plane, node, member), engines (guest, asker, answerer), knocks, captures
inputs   samples (overlay), said (punch), packets (inner)
"""
