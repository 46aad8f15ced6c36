from __future__ import annotations

import json
import tomllib
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from overlay.config.toml_lines import key_lines, line_of

TEXT = '''# head
network = "home" # a = 1

peers = [
  "a", # ] "
  "b",
]
text = """
fake = 1
[fake]
\\""" """""
raw = \'\'\'
also = "fake"\'\'\'
[node]
port = 1
"quoted key" = 2
'single' = 3
a . "b.c" = 4
[ punch . x ]
inline = { one = 1, two = [1, 2] }
[[many]]
k = 1
'''


def test_keys_stand_where_they_stand() -> None:
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    assert lines == {
        ("network",): 2,
        ("peers",): 4,
        ("text",): 8,
        ("raw",): 12,
        ("node",): 14,
        ("node", "port"): 15,
        ("node", "quoted key"): 16,
        ("node", "single"): 17,
        ("node", "a", "b.c"): 18,
        ("punch", "x"): 19,
        ("punch", "x", "inline"): 20,
        ("many",): 21,
        ("many", "k"): 22,
    }


def test_what_has_no_line_has_that_around_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("punch", "x", "inline", "two")) == 20
    assert line_of(lines, ("absent",)) is None


def test_windows_line_ends() -> None:
    assert key_lines("a = 1\r\nb = 2\r\n") == {("a",): 1, ("b",): 2}


QUOTED = partial(json.dumps, ensure_ascii=False)

VALUES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f")).map(QUOTED),
    st.integers().map(str),
    st.lists(st.text(st.characters(codec="ascii", exclude_characters="\x7f")).map(json.dumps)).map(
        lambda items: "[\n" + ",# ]\n".join(items) + "\n]"
    ),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="'")).map("'''\n{}\n'''".format),
)


@given(st.lists(VALUES, max_size=8))
def test_values_of_any_shape_do_not_shift_the_lines(values: list[str]) -> None:
    text, expected = "", {}
    for number, value in enumerate(values):
        expected[(f"key{number}",)] = text.count("\n") + 1
        text += f"key{number} = {value}\n"
    tomllib.loads(text)
    assert key_lines(text) == expected
