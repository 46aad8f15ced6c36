"""Handshake and rekey (protocol sections 3 and 4); knows no endpoint, gives the data keys away and forgets them."""
