"""Ways to each peer and which one carries now (protocol section 5).

paths       the machine: hears what is told, and hands it to its parts
board       what the parts share, and the one place that chooses
dialling    getting sessions: given addresses, members that a record names
proving     Challenges, Answers, sizes, sources that moved
upkeep      keepalive, round trips, reports, silence
watch       failure noticed by traffic: doubt, other ways, silence
vigil       pure: what one peer was sent and did not answer
spares      ways kept warm, so that switching needs no search
trial       ways that do badly, weighed against others
demand      what user packets ask for
roaming     this host's network changed, or it slept
peer        one peer: its ways, and the choice between them
way         one way: proof, round trips, size
nearby      members heard on the link
dials       addresses a person gave or disk remembers, tried until somebody answers
endpoints   pure: which endpoints are ours, which may be dialled
estimate    round-trip time, jitter, loss
sightings   where others heard us from
punching    the punch engine, told what this room knows, obeyed in what it asks
holes       endpoints that the engine found: claimed, proven, kept alive, let go
servers     STUN services we may ask
"""
