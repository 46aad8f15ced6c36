"""What types do not say: rules for names, addresses and secrets, one row a key."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from overlay.config import names
from overlay.config.address import ADDR_RULE, STUN_PORT, parse_addr
from overlay.config.fault import shown
from overlay.errors import UsageError
from overlay.values import DEFAULT_PORT

Complaint = tuple[str, str]
"""What is wrong (a value or a sentence), what was expected."""


def complaint(key: str, value: Any) -> Complaint | None:
    """What is wrong with a well-typed `value` of `key`; None if nothing is."""
    check = _CHECKS.get(key)
    return check(value) if check else None


def ip_complaint(network: str, ip: str) -> Complaint | None:
    """What is wrong with asking for the overlay address `ip` in `network` (protocol section 1)."""
    from overlay.identity import ipv4_prefix  # its hashing library is not needed to look at anything else

    prefix = ipv4_prefix(network)
    address = ipaddress.IPv4Address(ip)
    if address in prefix and address not in (prefix.network_address, prefix.broadcast_address):
        return None
    return f"{ip} is not an address of network {network}", f"one in {prefix}, not its first or last"


def _name(allowed: Callable[[str], bool], rule: str) -> Callable[[str], Complaint | None]:
    """A check that takes the empty default, and what `allowed` says yes to."""

    def check(value: str) -> Complaint | None:
        return None if not value or allowed(value) else (shown(value), rule)

    return check


def _addresses(default_port: int) -> Callable[[tuple[str, ...]], Complaint | None]:
    def check(value: tuple[str, ...]) -> Complaint | None:
        for text in value:
            try:
                parse_addr(text, default_port)
            except UsageError as error:
                return error.text, ADDR_RULE
        return None

    return check


def _ip(value: str) -> Complaint | None:
    try:
        ipaddress.IPv4Address(value or "10.0.0.1")
    except ValueError:
        return shown(value), "an IPv4 address"
    return None


def _secret(value: str) -> Complaint | None:
    """Never shows the value."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return "(hidden)", "UTF-8"
    return None


_CHECKS: dict[str, Callable[[Any], Complaint | None]] = {
    "network": _name(names.is_network, names.NETWORK_RULE),
    "secret": _secret,
    "peers": _addresses(DEFAULT_PORT),
    "node.name": _name(names.is_label, names.LABEL_RULE),
    "node.ip": _ip,
    "node.dev": _name(names.is_device, names.DEVICE_RULE),
    "node.advertise": _addresses(DEFAULT_PORT),
    "stun.servers": _addresses(STUN_PORT),
}
