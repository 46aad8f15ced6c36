"""An account-less mesh VPN: devices that share a name and a secret are one private network.

    identity  who I am, who belongs        wire      bytes <-> values
    sealing   suite, keys, replay          session   handshake and rekey
    gossip    what each says of itself     routing   links -> relay, cost
    relay     circuits                     paths     ways to each peer, which now
    dataplane moves batches                node      the hall: rooms meet, settle
    tun  shell  control  lab  cli          the doors to the world

Machines decide, shells obey: see `punch.machine` for the verbs.
"""

__version__ = "0.1.0"
