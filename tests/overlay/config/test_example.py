from __future__ import annotations

import re
import tomllib
from pathlib import Path

from overlay.config import Sources, load
from overlay.config.example import example
from overlay.config.keys import LEAVES
from overlay.config.schema import Config
from overlay.identity import ipv4_prefix

FILE = Path(__file__).parents[3] / "configs/node.example.toml"


def test_the_file_kept_is_the_one_shown() -> None:
    assert FILE.read_text(encoding="utf-8") == example()


def test_as_it_stands_it_says_the_defaults() -> None:
    assert load(Sources(file=FILE)).check() == Config()


def test_with_every_example_on_it_names_every_key_and_is_right(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^#(?=\w)", "", example())
    tree = tomllib.loads(text)
    keys = {f"{table}.{key}" for table, inside in tree.items() if isinstance(inside, dict) for key in inside}
    assert keys | {key for key, value in tree.items() if not isinstance(value, dict)} == set(LEAVES)
    file = tmp_path / "all.toml"
    file.write_text(text, encoding="utf-8")
    assert [fault.key for fault in load(Sources(file=file)).faults] == ["secret_file"]  # beside secret
    assert tree["node"]["ip"].startswith(str(ipv4_prefix("home").network_address)[:6])


def test_every_key_is_explained() -> None:
    entries = [part for part in example().split("\n\n") if re.search(r"(?m)^#?\w+ = ", part)]
    assert len(entries) == len(LEAVES)
    assert all(entry.lstrip("\n").startswith("# ") for entry in entries)
