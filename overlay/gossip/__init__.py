"""What each node says of itself, signed, and its spread (protocol section 8).

gossip     the machine        own        our own record          record, records  values; signed bytes <-> values
members    who is held        spread     Have, Want, Records     pace             how often one thing is said
names      one name a member  addresses  who holds which, which one we take
"""
