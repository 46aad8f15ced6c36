"""Numbers as people read them."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """`12 s`, `4 min`, `2 h 14 min`, `3 d 4 h`; empty if unknown."""
    if seconds is None:
        return ""
    whole = int(seconds)
    for size, unit, smaller_size, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole // 60} min" if whole >= 60 else f"{whole} s"


def amount(count: float) -> str:
    """Bytes: `512 B`, `1.2 GB` (powers of 1,000)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} PB"


def rate(per_second: float) -> str:
    """Bytes a second."""
    return f"{amount(per_second)}/s"


def milliseconds(value: float | None) -> str:
    """`0.34 ms`, `12.3 ms`, `123 ms`; empty if unknown."""
    if value is None:
        return ""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} ms"


def percent(share: float | None) -> str:
    """0..1 as `0 %`, `0.4 %`, `12 %`; empty if unknown."""
    if share is None:
        return ""
    value = share * 100
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{value:.0f} %"
