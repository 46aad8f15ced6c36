"""Every key of the config as a row: its type and default, and the flag and variable that set it too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct, structs

from overlay.config.schema import Config

FLAGS = {
    "network": "--network",
    "secret": "--secret",
    "secret_file": "--secret-file",
    "peers": "--peer",
    "node.name": "--name",
    "node.ip": "--ip",
    "node.port": "--port",
    "node.dev": "--dev",
    "node.advertise": "--advertise",
    "node.tun": "--no-tun",
    "lan.enabled": "--no-lan",
    "relay.enabled": "--relay",
    "stun.servers": "--stun",
    "punch.enabled": "--punch",
    "punch.nat3_nat4": "--nat3-nat4",
    "punch.nat4_nat4": "--nat4-nat4",
}
"""Key -> the long flag of `join` that sets it (contract, Commands)."""

ONLY_VARIABLES = ("OVERLAY_CONFIG", "OVERLAY_STATE_DIR", "OVERLAY_SOCKET", "OVERLAY_DETACH", "OVERLAY_JSON")
"""Variables of flags that have no key."""


def variable(flag: str) -> str:
    """The variable of a flag: `--nat3-nat4` -> OVERLAY_NAT3_NAT4, `--no-tun` -> OVERLAY_TUN."""
    return "OVERLAY_" + flag.removeprefix("--").removeprefix("no-").replace("-", "_").upper()


class Leaf(Struct, frozen=True):
    """One key that holds a value."""

    key: str
    """Dotted: `node.port`."""
    type: Any
    """As annotated in the schema."""
    default: Any

    def convert(self, value: object) -> Any:
        """`value` if type and range fit.

        Raises:
            msgspec.ValidationError: they do not.
        """
        return msgspec.convert(value, self.type)

    def read(self, text: str | tuple[str, ...]) -> object:
        """What a flag or variable says, as the value meant; the text itself where it makes no sense."""
        kind = msgspec.inspect.type_info(self.type)
        if isinstance(kind, msgspec.inspect.VarTupleType):
            parts = text.split(",") if isinstance(text, str) else text
            return tuple(part.strip() for part in parts if part.strip())
        if isinstance(kind, msgspec.inspect.BoolType) and isinstance(text, str):
            return _SWITCH.get(text.lower(), text)
        if isinstance(kind, msgspec.inspect.IntType) and isinstance(text, str) and re.fullmatch(r"-?[0-9]{1,18}", text):
            return int(text)
        return text

    def expected(self, *, typed: bool) -> str:
        """What the value should be; `typed` where it comes as text, from a flag or variable."""
        kind = msgspec.inspect.type_info(self.type)
        if isinstance(kind, msgspec.inspect.IntType):
            return f"a whole number from {kind.ge} to {kind.le}"
        if isinstance(kind, msgspec.inspect.BoolType):
            return "on or off" if typed else "true or false"
        if isinstance(kind, msgspec.inspect.LiteralType):
            return "one of " + ", ".join(self.words() if typed else (f'"{word}"' for word in self.words()))
        if isinstance(kind, msgspec.inspect.VarTupleType):
            return 'a list of text: ["...", "..."]'
        return 'text in quotes: "..."'

    def words(self) -> list[str]:
        """The words allowed, where only some are."""
        return [str(word) for word in get_args(self.type)] if get_origin(self.type) is Literal else []


_SWITCH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


def _leaves(struct: type[Struct], prefix: str) -> Iterator[Leaf]:
    for field in structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from _leaves(field.type, f"{prefix}{field.name}.")
        else:
            yield Leaf(prefix + field.name, field.type, field.default)


LEAVES = {leaf.key: leaf for leaf in _leaves(Config, "")}
"""Key -> its row, in the order of the schema."""

TABLES = tuple(dict.fromkeys(key.rpartition(".")[0] for key in LEAVES if "." in key))
"""Names of the tables: punch, node ..."""
