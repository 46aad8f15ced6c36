"""Names that people give: of networks, nodes, devices and files; what is allowed, and why not."""

from __future__ import annotations

import re
import unicodedata

_FILE_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

NETWORK_RULE = "1 to 64 bytes of UTF-8 without '/', control characters or a leading '.' or '-'"
LABEL_RULE = "a DNS label: letters, digits and inner '-', 63 at most"
DEVICE_RULE = "1 to 15 bytes without '/', ':', '%' or blanks"


def normal_network(name: str) -> str:
    """The one form of a network's name (NFC, protocol section 1)."""
    return unicodedata.normalize("NFC", name)


def is_network(name: str) -> bool:
    """True if `name` may name a network (contract, Commands)."""
    try:
        size = len(normal_network(name).encode())
    except UnicodeEncodeError:
        return False
    controls = any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name)
    return 1 <= size <= 64 and "/" not in name and name[0] not in ".-" and not controls


def is_label(name: str) -> bool:
    """True if `name` may name a node: a DNS label (RFC 1123 section 2.1)."""
    return _LABEL.fullmatch(name) is not None


def is_device(name: str) -> bool:
    """True if Linux takes `name` for a network device (dev_valid_name; '%' would be a pattern)."""
    size = len(name.encode(errors="surrogateescape"))
    odd = any(character in "/:%" or character.isspace() for character in name)
    return 1 <= size <= 15 and name not in (".", "..") and not odd


def file_stem(network: str) -> str:
    """How files and folders of `network` are named: its name if that is plain, else its hash (protocol section 10)."""
    name = normal_network(network)
    if _FILE_SAFE.fullmatch(name):
        return name
    from hashlib import blake2b  # 4 ms that most names do without

    return blake2b(name.encode(), digest_size=16).hexdigest()  # a socket's path has 108 bytes
