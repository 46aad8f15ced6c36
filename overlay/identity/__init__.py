"""Who I am, who belongs (protocol section 1): names, secrets, identities and the addresses they give.

names      text -> bytes that everybody agrees on; the hash H; Argon2id
network    what a network's name and secret become
generator  the CPace generator of a network, by Elligator2
node       a node's keys, signatures, and the id that must fit a Noise static key
addresses  overlay addresses, derived from name and id
"""

from overlay.identity.addresses import ipv4_candidate, ipv4_prefix, ipv6_address, ipv6_prefix
from overlay.identity.names import digest, name_bytes, secret_bytes, stretch
from overlay.identity.network import NetworkKeys, network_keys
from overlay.identity.node import Identity, convert, verify

__all__ = [
    "Identity",
    "NetworkKeys",
    "convert",
    "digest",
    "ipv4_candidate",
    "ipv4_prefix",
    "ipv6_address",
    "ipv6_prefix",
    "name_bytes",
    "network_keys",
    "secret_bytes",
    "stretch",
    "verify",
]
