"""Handshake and rekey (protocol sections 3 and 4); knows no endpoint, gives the data keys away and forgets them.

sessions   the hall of what follows: receive, tell, seal, open
dialler    A: m1, m3                       answerer   B: m2, m4
resumption A: r1                           resumed    B: r2           tickets    what resumes what
rekey      new keys from old ones          book       all keys of all peers, and when they end
peer       the runs with one peer          run        the keys of one completed handshake or rekey
layout     frames and payloads             noise      XXpsk0 and KKpsk0
pake       CPace                           completed  what each makes of the other's payload
guesses    how often a secret is tried     cookies    is a source real
desk       what all of them share          timing     all timers
facts  commands  events  drops
"""

from overlay.session.book import Sealed
from overlay.session.sessions import Sessions

__all__ = ["Sealed", "Sessions"]
