r"""From flags, environment and file to one `Config`; every fault found, all at once.

defaults  <  file  <  environment  <  command line        each a layer: key -> Found
    \________________ merge _______________/
                        |
        what only shows together (an address against its network)
                        |
                     Loaded: config, origins, faults
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from overlay.config import checks, names, paths
from overlay.config.fault import Fault, nearest, nearest_key, shown
from overlay.config.keys import FLAGS, LEAVES, ONLY_VARIABLES, TABLES, Leaf, variable
from overlay.config.schema import Config
from overlay.config.toml_lines import key_lines, line_of
from overlay.errors import NotPermitted, UsageError

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"

_ONE_SECRET = ("secret", "secret_file")
"""Two keys, one setting: the higher layer that has either decides for both."""

_NOT_EMPTY = ("network", *_ONE_SECRET)
"""Given as an empty flag these are a slip (an unset shell variable), never a wish."""


class Sources(Struct, frozen=True, kw_only=True):
    """Where settings come from."""

    command: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Key -> what its flag says, as typed; `--no-tun` is node.tun = "off"."""
    environ: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    """The file named by --config or its variable; None: the default one, if it is there."""
    uid: int = 0
    """Decides where the default file is."""


class Found(Struct, frozen=True, kw_only=True):
    """A value of one layer, and where it stood."""

    value: Any
    where: str
    line: int | None = None
    shown: str
    """The key as written there."""

    @property
    def origin(self) -> str:
        """For `config show`."""
        if self.where == COMMAND_LINE:
            return COMMAND_LINE
        return f"{ENVIRONMENT} {self.shown}" if self.where == ENVIRONMENT else f"{self.where}:{self.line}"

    def fault(self, text: str, expected: str, near: str = "") -> Fault:
        """A fault at this place."""
        return Fault(where=self.where, line=self.line, key=self.shown, text=text, expected=expected, nearest=near)


class Loaded(Struct, frozen=True, kw_only=True):
    """The settings in force."""

    config: Config
    """Keys at fault fall back to the next layer."""
    origins: dict[str, str]
    """Every key -> `command line`, `environment OVERLAY_X`, `FILE:LINE` or `default`."""
    faults: list[Fault]
    file: Path | None
    """The file read, if one was."""
    hints: list[str]
    """Variables that are none, but nearly."""

    def check(self) -> Config:
        """The config.

        Raises:
            UsageError: there are faults; the text lists them all.
        """
        if not self.faults:
            return self.config
        lines = [str(fault) for fault in self.faults]
        text = lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} faults in the settings:", *lines])
        raise UsageError(text, "correct them; `overlay config show --defaults` is an example", code="config")


Layer = dict[str, Found]


def load(sources: Sources) -> Loaded:
    """Settings from all `sources`, faults listed in the result.

    Raises:
        UsageError: the file named is not there.
        NotPermitted: the file may not be read.
    """
    faults: list[Fault] = []
    command = _checked(_from_command(sources.command), faults)
    environment = _checked(_from_environment(sources.environ), faults)
    named = command.get("network") or environment.get("network")
    file = sources.file or _default_file(named.value if named else "", sources)
    layers = [_checked(_from_file(file, faults), faults) if file else {}, environment, command]
    for layer in layers:
        _refuse_two_secrets(layer, faults)
    merged = _merge(layers)
    _check_together(merged, faults)
    origins = {key: merged[key].origin if key in merged else "default" for key in LEAVES}
    faults.sort(key=lambda fault: (fault.where, fault.line or 0))
    return Loaded(config=_build(merged), origins=origins, faults=faults, file=file, hints=list(_hints(sources.environ)))


def _default_file(network: str, sources: Sources) -> Path | None:
    file = paths.config_file(network, sources.environ, sources.uid) if network else None
    return file if file and os.path.exists(file) else None  # False too where one may not look


def _from_command(command: Mapping[str, str | tuple[str, ...]]) -> Iterator[tuple[Leaf, Found]]:
    for key, said in command.items():
        yield LEAVES[key], Found(value=said, where=COMMAND_LINE, shown=FLAGS[key])


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[Leaf, Found]]:
    for key, flag in FLAGS.items():
        name = variable(flag)
        if environ.get(name):
            yield LEAVES[key], Found(value=environ[name], where=ENVIRONMENT, shown=name)


def _from_file(path: Path, faults: list[Fault]) -> Iterator[tuple[Leaf, Found]]:
    try:
        text = path.read_bytes().decode()
        tree = tomllib.loads(text)
    except FileNotFoundError:
        raise UsageError(
            f"there is no file {path}",
            "begin with what `overlay config show --defaults` prints",
        ) from None
    except PermissionError:
        raise NotPermitted(f"{path} may not be read", f"sudo chmod a+r {path}, or run as its owner") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name a file that can be read") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        faults.append(Fault(where=str(path), line=line, key="", text="this is not UTF-8", expected="a TOML file"))
        return
    except (ValueError, RecursionError) as error:  # besides its own error, tomllib lets those of int() and depth out
        faults.append(_syntax_fault(path, text, str(error)))
        return
    yield from _walk(tree, "", _Place(str(path), key_lines(text), faults))


class _Place(Struct, frozen=True):
    """What the walk through a file needs at every key."""

    where: str
    lines: dict[tuple[str, ...], int]
    faults: list[Fault]

    def found(self, table: str, name: str, value: object) -> Found:
        path = (table, name) if table else (name,)
        return Found(value=value, where=self.where, line=line_of(self.lines, path), shown=".".join(path))


def _walk(tree: Mapping[str, object], table: str, place: _Place) -> Iterator[tuple[Leaf, Found]]:
    """All tables stand at the top, so a path has one part or two; a quoted name with a dot in it is none of ours."""
    for name, value in tree.items():
        found = place.found(table, name, value)
        key = found.shown if "." not in name else ""
        if key in LEAVES:
            yield LEAVES[key], found
        elif key not in TABLES:
            place.faults.append(_unknown(found, table))
        elif isinstance(value, dict):
            yield from _walk(value, key, place)
        else:
            place.faults.append(found.fault(shown(value), f"a table: [{key}]"))


def _unknown(found: Found, table: str) -> Fault:
    known = [*LEAVES, *TABLES]
    beside = [key for key in known if key.rpartition(".")[0] == table]
    near = nearest_key(found.shown, beside) or nearest_key(found.shown, known)
    names_here = ", ".join(key.rpartition(".")[2] for key in beside)
    return found.fault("unknown key", f"one of {names_here}", near)


def _syntax_fault(path: Path, text: str, said: str) -> Fault:
    """tomllib ends its message with `(at line 3, column 5)` or `(at end of document)`."""
    what, _, place = said.rpartition(" (at ")
    number = place.removeprefix("line ").partition(",")[0]
    line = int(number) if number.isdigit() else text.count("\n") + 1
    return Fault(where=str(path), line=line, key="", text=f"this is not TOML: {what or said}", expected="key = value")


def _checked(items: Iterator[tuple[Leaf, Found]], faults: list[Fault]) -> Layer:
    """The layer of all items that are right; the others become faults."""
    layer: Layer = {}
    for leaf, found in items:
        fault = _fault_of(leaf, found)
        if fault:
            faults.append(fault)
        else:
            layer[leaf.key] = msgspec.structs.replace(found, value=_final(leaf, found))
    return layer


def _fault_of(leaf: Leaf, found: Found) -> Fault | None:
    typed = found.where in (COMMAND_LINE, ENVIRONMENT)
    hidden = leaf.key == "secret"
    if typed and found.value == "" and leaf.key in _NOT_EMPTY:
        return found.fault("is empty", "a value (is a shell variable unset?)")
    value = leaf.read(found.value) if typed else found.value
    try:
        value = leaf.convert(value)
    except msgspec.ValidationError:
        near = nearest(str(value), leaf.words()) if isinstance(value, str) else ""
        return found.fault("(hidden)" if hidden else shown(found.value), leaf.expected(typed=typed), near)
    wrong = checks.complaint(leaf.key, value)
    return found.fault(*wrong) if wrong else None


def _final(leaf: Leaf, found: Found) -> Any:
    """The value as the node takes it: typed, names in NFC, a relative file made absolute."""
    typed = found.where in (COMMAND_LINE, ENVIRONMENT)
    value = leaf.convert(leaf.read(found.value) if typed else found.value)
    if leaf.key == "network":
        return names.normal_network(value)
    if leaf.key == "secret_file" and value not in ("", "-"):
        return str((Path.cwd() if typed else Path(found.where).absolute().parent) / value)
    return value


def _refuse_two_secrets(layer: Layer, faults: list[Fault]) -> None:
    if all(key in layer and layer[key].value for key in _ONE_SECRET):
        faults.append(layer["secret_file"].fault("a secret is given too", "one of secret and secret_file"))


def _merge(layers: list[Layer]) -> Layer:
    """Higher layers win; a secret of one layer also unseats the secret file of a lower one, and the reverse."""
    merged: Layer = {}
    for layer in layers:
        if any(key in layer and layer[key].value for key in _ONE_SECRET):
            merged = {key: found for key, found in merged.items() if key not in _ONE_SECRET}
        merged |= layer
    return merged


def _check_together(merged: Layer, faults: list[Fault]) -> None:
    network, ip = merged.get("network"), merged.get("node.ip")
    if network and network.value and ip and ip.value and (wrong := checks.ip_complaint(network.value, ip.value)):
        faults.append(ip.fault(*wrong))


def _build(merged: Layer) -> Config:
    tree: dict[str, Any] = {table: {} for table in TABLES}
    for key, found in merged.items():
        table, _, name = key.rpartition(".")
        (tree[table] if table else tree)[name] = found.value
    return msgspec.convert(tree, Config)


def _hints(environ: Mapping[str, str]) -> Iterator[str]:
    prefix = "OVERLAY_"
    known = [name.removeprefix(prefix) for name in (*map(variable, FLAGS.values()), *ONLY_VARIABLES)]
    for name in environ:
        word = name.removeprefix(prefix)
        if name.startswith(prefix) and word not in known and (near := nearest(word, known)):
            yield f"the variable {name} means nothing here; did you mean {prefix}{near}?"
