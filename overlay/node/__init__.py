"""The hall: the rooms of a node meet here and settle after each input.

core      settle: rooms in a fixed order until silent
inbound   frame -> room           outbound  what rooms ask -> frames and plane commands
facts  events  commands  snapshot
"""
