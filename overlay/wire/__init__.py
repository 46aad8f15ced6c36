"""The wire (protocol section 2): bytes <-> values, and nothing else.

frame       the first byte and the 16-byte header of data and control slices; cut
messages    control messages as values, one row a kind
codec       msgpack, at this one door
reassembly  slices that came one by one -> sealed envelope, bounded
"""
