"""`overlay config check` and `overlay config show`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from overlay.cli.group import Helpful
from overlay.cli.outcome import error_object
from overlay.cli.settings import setting_options, sources
from overlay.config.keys import LEAVES
from overlay.config.loader import Loaded, Sources, load
from overlay.errors import OverlayError, UsageError
from overlay.logs import clean

_json = click.option("--json", "as_json", is_flag=True, envvar="OVERLAY_JSON", help="JSON for programs.")


@click.group(cls=Helpful, epilog="Example: overlay config check /etc/overlay/home.toml")
def config() -> None:
    """Check a config file; show the settings in force."""


@config.command(epilog="Example: overlay config check /etc/overlay/home.toml")
@click.argument("file", metavar="F")
@_json
def check(file: str, as_json: bool) -> int:
    """Every fault of the file F at once: line, key, what was expected, the nearest valid name."""
    loaded = load(Sources(file=Path(file), uid=os.geteuid()))
    if not loaded.faults:
        print(json.dumps({"schema": 1, "faults": []}) if as_json else f"{clean(file)}: no fault")
        return 0
    try:
        loaded.check()
    except UsageError as error:
        if not as_json:
            raise
        print(json.dumps(_with_faults(error, loaded)))
    return UsageError.exit_code


def _with_faults(error: OverlayError, loaded: Loaded) -> dict[str, Any]:
    told: dict[str, Any] = error_object(error)
    told["error"]["faults"] = [
        {"line": each.line, "key": each.key, "text": each.text, "expected": each.expected, "nearest": each.nearest}
        for each in loaded.faults
    ]
    return told


@config.command(epilog="Example: overlay config show -n home")
@click.option("--defaults", is_flag=True, help="The example file: every key with its meaning and default.")
@setting_options
@_json
def show(defaults: bool, as_json: bool, **said: Any) -> None:
    """The settings that `join` with these flags has, and where each comes from."""
    if defaults:
        from overlay.config.example import example

        print(example(), end="")
        return
    loaded = load(sources(said))
    loaded.check()
    values = {key: _value(loaded, key) for key in LEAVES}
    if as_json:
        shown = {key: {"value": values[key], "origin": loaded.origins[key]} for key in LEAVES}
        print(json.dumps({"schema": 1, "file": str(loaded.file) if loaded.file else None, "values": shown}))
    else:
        print("\n".join(_toml(values, loaded.origins)))


def _value(loaded: Loaded, key: str) -> object:
    value: Any = loaded.config
    for part in key.split("."):
        value = getattr(value, part)
    if key == "secret":
        return "(hidden)" if value else ""
    return list(value) if isinstance(value, tuple) else value


def _toml(values: dict[str, object], origins: dict[str, str]) -> list[str]:
    """Lines of TOML, each with its origin behind it."""
    lines: list[str] = []
    texts = {
        key: f"{key.rpartition('.')[2]} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()
    }
    width = min(48, max(len(text) for text in texts.values()))
    table = ""
    for key in sorted(values, key=lambda key: "." in key):
        inside = key.rpartition(".")[0]
        if inside != table:
            lines += ["", f"[{inside}]"]
            table = inside
        lines.append(clean(f"{texts[key]:{width}}  # {origins[key]}"))
    return lines
