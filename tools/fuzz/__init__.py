"""Every parser, fed what no honest sender sends: `python -m tools.fuzz [--inputs N] [--seconds S] [TARGET...]`.

mutate   valid inputs -> nearly valid ones
target   what a target is: valid inputs, a room to feed, what it may raise
targets  the table of them
run      inputs in blocks, each replayable from its seed; failing inputs, and the command that replays each
"""
