"""On which line each key of a TOML text stands: `tomllib` does not say."""

from __future__ import annotations

import re
import tomllib

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""+'
    r"|'''.*?'''+"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{}\n=]"
    r"|[^\"'\#\[\]{}\n=]+",
    re.DOTALL,
)
"""Strings, comments, what nests, what ends a statement, and everything else."""

_PART = re.compile(r"""\s*("(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)\s*\.?""")

Path = tuple[str, ...]


def key_lines(text: str) -> dict[Path, int]:
    """Path of each table and key -> its line, from 1; `text` is TOML that `tomllib` has taken.

    Keys inside an inline table are found under the key that holds the table: see `line_of`.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        if statement[0] == "[":
            table = _path("".join(token for token in statement if token not in "[]"))
            lines.setdefault(table, line)
        elif "=" in statement:
            lines[table + _path("".join(statement[: statement.index("=")]))] = line
    return lines


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of `path`, or of the nearest key or table around it."""
    return next((lines[path[:size]] for size in range(len(path), 0, -1) if path[:size] in lines), None)


def _statements(text: str) -> list[tuple[int, list[str]]]:
    """The statements as lists of tokens, each with the line it begins on."""
    statements: list[tuple[int, list[str]]] = []
    tokens: list[str] = []
    line, begun, depth = 1, 1, 0
    for token in _TOKEN.findall(text + "\n"):
        if token == "\n" and depth == 0:
            if tokens:
                statements.append((begun, tokens))
            tokens = []
        elif not token.startswith("#") and token.strip():
            begun = begun if tokens else line
            tokens.append(token.strip())
            depth += (token in "[{") - (token in "]}")
        line += token.count("\n")
    return statements


def _path(text: str) -> Path:
    """The parts of a dotted key, quotes resolved."""
    parts = [str(part) for part in _PART.findall(text)]
    return tuple(tomllib.loads(f"key = {part}")["key"] if part[0] in "\"'" else part for part in parts)
