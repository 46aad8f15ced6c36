"""The example file, made from the schema: `overlay config show --defaults`, kept in configs/node.example.toml."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import sys
import textwrap
from collections.abc import Iterator

from msgspec import Struct, structs

from overlay.config.keys import FLAGS, LEAVES, variable
from overlay.config.schema import Config

_HEAD = """\
# Settings of `overlay join`. Every key is optional and stands here with its default; `#KEY` shows a key
# that has none with an example. Command line beats environment beats this file.
# Read from /etc/overlay/NETWORK.toml (root) or $XDG_CONFIG_HOME/overlay/NETWORK.toml, or with -c FILE.
# Check it with: overlay config check FILE
"""

_SAMPLES: dict[str, object] = {
    "network": "home",
    "secret": "correct horse battery staple",
    "secret_file": "/etc/overlay/home.secret",
    "peers": ("vps.example.org", "203.0.113.7:27182", "[2001:db8::7]:27182"),
    "node.name": "laptop",
    "node.ip": "10.222.0.7",
    "node.dev": "overlay0",
    "node.advertise": ("home.example.org:27182",),
    "stun.servers": ("stun.example.org",),
}
"""What stands after `#KEY =` where the default is empty."""


def example() -> str:
    """The whole file."""
    return _HEAD + "".join(_table(Config, ""))


def _table(struct: type[Struct], table: str) -> Iterator[str]:
    """Leaves first, tables after: TOML wants it so."""
    docs = _docs(struct)
    fields = structs.fields(struct)
    for field in fields:
        key = f"{table}.{field.name}" if table else field.name
        if key in LEAVES:
            yield from _entry(key, field.name, docs.get(field.name, ""))
    for field in fields:
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield f"\n\n# {inspect.getdoc(field.type)}\n[{field.name}]\n"
            yield from _table(field.type, field.name)


def _entry(key: str, name: str, doc: str) -> Iterator[str]:
    leaf = LEAVES[key]
    value = leaf.default
    flag = f" ({FLAGS[key]}, {variable(FLAGS[key])})" if key in FLAGS else ""
    rule = "" if value in ("", ()) or isinstance(value, bool) else f" Expected: {leaf.expected(typed=False)}."
    yield "\n" + textwrap.fill(doc + rule + flag, 110, initial_indent="# ", subsequent_indent="# ") + "\n"
    if value in ("", ()):
        yield f"#{name} = {_toml(_SAMPLES[key])}\n"
    else:
        yield f"{name} = {_toml(value)}\n"


def _toml(value: object) -> str:
    """JSON's text, numbers, truth and lists are TOML's too."""
    return json.dumps(value, ensure_ascii=False)


def _docs(struct: type[Struct]) -> dict[str, str]:
    """Field -> the string below it in the source, which Python does not keep."""
    source = textwrap.dedent(inspect.getsource(sys.modules[struct.__module__]))
    body = next(
        node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == struct.__name__
    )
    docs: dict[str, str] = {}
    for above, below in itertools.pairwise(body):
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name) and isinstance(below, ast.Expr):
            docs[above.target.id] = inspect.cleandoc(ast.literal_eval(below.value))
    return docs
