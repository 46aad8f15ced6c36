"""Circuits I open, circuits I carry (protocol section 7).

    source                          carrier                              target
    OpenCircuit(req, label 11)  ->  21 ahead: OpenCircuit(req', 22)  ->  31: CircuitReady
    CircuitReady                <-  CircuitOpened(req, 21), Forward  <-  CircuitOpened(req', 31)
    writes 21, takes 11             21 -> 31, 22 -> 11                   writes 22, takes 31

Between carrier and target may be more carriers, seven in all: each signs the request (`crossed`) and the answer
(`through`), and asks its next choice where one refuses.

relay      the machine: what neighbours ask and answer, what dies with whom
circuits   legs, circuits, and every index over them
requests   whether a request or an answer makes sense
choices    whom to hand on to; denials: links ignored for now
shares     who gives way where a neighbour has all it may
early      requests that came a moment too soon
courier    which handshakes are carried, for whom
words      a circuit as the plane and the hall are told of it
limits     how many, how long, and the words of refusals and drops
facts  commands  events
"""
