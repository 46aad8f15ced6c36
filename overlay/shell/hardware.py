"""What this machine's CPU seals well."""

from __future__ import annotations

from pathlib import Path

from overlay.sealing.suite import CIPHERS


def best_ciphers(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """The ciphers to offer, in the fixed order: AES only where the CPU has instructions for it (and for GHASH)."""
    try:
        text = cpuinfo.read_text(errors="replace")
    except OSError:
        text = ""
    words = next((set(line.split()) for line in text.splitlines() if line.startswith(("flags", "Features"))), set())
    has_aes = {"aes", "pclmulqdq"} <= words or {"aes", "pmull"} <= words
    return CIPHERS if has_aes else tuple(each for each in CIPHERS if not each.startswith("aes"))
