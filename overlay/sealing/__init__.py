"""What seals and opens (protocol sections 2 and 4): code shared by every key's owner, never instances.

aegis   the fastest of them, out of pynacl's libsodium
suite   which ciphers, how nonce and associated data are laid
keys    HKDF-BLAKE2s and the table of what is derived with it
replay  the window of counters already seen
"""

from overlay.sealing.keys import (
    class_key,
    expand,
    extract,
    hmac_blake2s,
    next_psk,
    resume_id,
    resume_mac_key,
    resume_psk,
    resume_secret,
)
from overlay.sealing.replay import ReplayWindow
from overlay.sealing.suite import (
    BUILT_IN,
    CIPHERS,
    LARGEST_TAG,
    TAG_SIZE,
    Aead,
    InvalidTag,
    aad,
    aead,
    first_common,
    nonce,
    tag_size,
)

__all__ = [
    "BUILT_IN",
    "CIPHERS",
    "LARGEST_TAG",
    "TAG_SIZE",
    "Aead",
    "InvalidTag",
    "ReplayWindow",
    "aad",
    "aead",
    "class_key",
    "expand",
    "extract",
    "first_common",
    "hmac_blake2s",
    "next_psk",
    "nonce",
    "resume_id",
    "resume_mac_key",
    "resume_psk",
    "resume_secret",
    "tag_size",
]
