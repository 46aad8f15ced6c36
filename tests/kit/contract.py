"""The contract's JSON, written out a second time: what scripts rely on, apart from the code that makes it."""

from __future__ import annotations

from typing import Any

NUMBER = (int, float)
MAYBE_NUMBER = (int, float, type(None))
MAYBE_TEXT = (str, type(None))

NAT = {
    "type": {"NAT1", "NAT2", "NAT3", "NAT4", "open", "blocked", "unknown"},
    "mapping": {"eim", "adm", "apdm", "unknown"},
    "filtering": {"eif", "adf", "apdf", "unknown"},
    "allocation": {"preserving", "sequential", "block", "cluster", "uniform", "unknown"},
    "step": MAYBE_NUMBER,
    "label": MAYBE_TEXT,
    "age_s": MAYBE_NUMBER,
}

PATH = {
    "kind": {"direct", "relay", "none"},
    "transport": MAYBE_TEXT,
    "endpoint": MAYBE_TEXT,
    "via": [str],
    "hops": (int, type(None)),
    "since_s": MAYBE_NUMBER,
}

PEER = {
    "id": str,
    "name": str,
    "ipv4": MAYBE_TEXT,
    "ipv6": MAYBE_TEXT,
    "state": {"connected", "connecting", "gone"},
    "version": MAYBE_TEXT,
    "seen_s": MAYBE_NUMBER,
    "path": PATH,
    "rtt_ms": MAYBE_NUMBER,
    "jitter_ms": MAYBE_NUMBER,
    "loss": MAYBE_NUMBER,
    "rx_bytes": int,
    "tx_bytes": int,
    "handshake_s": MAYBE_NUMBER,
    "nat": NAT,
    "punch": {
        "state": {"idle", "running", "succeeded", "failed", "infeasible", "off"},
        "strategy": MAYBE_TEXT,
        "attempts": int,
        "probes": int,
        "planned": int,
        "reason": MAYBE_TEXT,
        "text": MAYBE_TEXT,
        "retry_s": MAYBE_NUMBER,
    },
}

ENDPOINTS = [{"address": str, "kind": {"local", "public", "stun", "portmap", "given"}}]

PUNCH = {
    "enabled": bool,
    "nat3_nat4": {"auto", "always", "off"},
    "nat4_nat4": {"auto", "always", "off"},
    "probes_sent": int,
    "measured": int,
    "probes_received": int,
    "entries_live": int,
    "max_entries": int,
    "max_pps": int,
}

STATUS = {
    "schema": {1},
    "version": str,
    "network": {"name": str, "members": int},
    "self": {
        "id": str,
        "name": str,
        "ipv4": MAYBE_TEXT,
        "ipv6": MAYBE_TEXT,
        "dev": MAYBE_TEXT,
        "mtu": int,
        "port": int,
        "uptime_s": NUMBER,
        "endpoints": ENDPOINTS,
        "nat": NAT,
    },
    "peers": [PEER],
    "punch": PUNCH,
    "drops": dict,
    "problems": [{"code": str, "text": str, "fix": str, "since_s": NUMBER}],
}

NAT_TOLD = {"schema": {1}, "nat": NAT, "endpoints": ENDPOINTS, "undecided": [str]}

WHY = {"schema": {1}, "peer": str, "text": str, "fix": str, "attempts": [str]}

TRACE = {"schema": {1}, "hops": [{"name": str, "endpoint": MAYBE_TEXT, "rtt_ms": MAYBE_NUMBER}]}

ERROR = {"schema": {1}, "error": {"code": str, "text": str, "fix": str}}


def faults(value: Any, shape: Any, where: str = "") -> list[str]:
    """Where `value` is not as `shape`: dict = these keys, list = each item, set = one of these, else a type."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        missing = [f"{where}.{key} is missing" for key in shape if key not in value]
        found = [fault for key in shape if key in value for fault in faults(value[key], shape[key], f"{where}.{key}")]
        return missing + found
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [fault for n, item in enumerate(value) for fault in faults(item, shape[0], f"{where}[{n}]")]
    fits = value in shape if isinstance(shape, set) else isinstance(value, shape)
    return [] if fits else [f"{where}: {value!r} is not {shape}"]
