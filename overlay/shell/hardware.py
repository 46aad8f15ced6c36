"""What this machine's CPU seals well."""

from __future__ import annotations

from pathlib import Path

from overlay.sealing.suite import AEGIS, AES, BUILT_IN


def best_ciphers(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """The ciphers to offer, in the fixed order: those built on AES only where the CPU has instructions for it.

    AES-GCM needs those for GHASH too; libsodium's AEGIS wants AVX beside them on x86.
    """
    try:
        text = cpuinfo.read_text(errors="replace")
    except OSError:
        text = ""
    words = next((set(line.split()) for line in text.splitlines() if line.startswith(("flags", "Features"))), set())
    arm = {"aes", "pmull"} <= words
    slow = set()
    if not (arm or {"aes", "pclmulqdq"} <= words):
        slow.add(AES)
    if not (arm or {"aes", "avx"} <= words):
        slow.add(AEGIS)
    return tuple(each for each in BUILT_IN if each not in slow)
