"""The hall: the rooms of a node meet here and settle after each input.

core        the node: settles, rooms in a fixed order until silent
inbound     frame -> room                outbound   what rooms ask -> frames and plane commands
outside     this host -> room            happenings what happened in one room -> the others, the plane, people
rooms       the rooms of a node          relays     who may carry: routing asked with what the others know
circle      whom to keep sessions with in a large mesh
problems    what a person should know    report     what `status` shows
explain     what `why` shows: the ways to a peer, and who may carry to it
lan         beacons: members on the same link
farewell    the end: a word to everybody
setup       what a node is made of
facts  events  commands  snapshot
"""
