"""Settings: one tree of values, every fault reported at once.

schema    the tree              keys     its rows, with flag and variable
loader    layers -> Config      fault    what is wrong, where             toml_lines   on which line
checks    names, addresses      address  ADDR                             names        of networks, nodes, devices
secret    read, not shown       paths    where files and sockets are      example      the file `show --defaults`
launch    what `join` hands to the shell
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from overlay.config.fault import Fault
    from overlay.config.loader import Loaded, Sources, load

__all__ = ["Fault", "Loaded", "Sources", "load"]


def __getattr__(name: str) -> object:
    """The loader on first use: `status` finds its socket in `paths` and must not wait for TOML and msgspec."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from overlay.config import loader

    return getattr(loader, name)
