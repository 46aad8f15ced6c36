"""What `join` says of what happened."""

from __future__ import annotations

import pytest

from overlay.node.events import ProblemShown
from overlay.shell.words import words_for


@pytest.mark.parametrize(
    ("text", "fix", "told"),
    [
        ("this name is another's: anna-2", "Give this device another name", "is another's: anna-2. Give this device"),
        ("No peer answers.", "Check the address.", "No peer answers. Check the address"),
        ("It is so.", "", "It is so"),
    ],
)
def test_a_problem_and_its_fix_are_two_sentences(text: str, fix: str, told: str) -> None:
    said = words_for(ProblemShown("code", text, fix))
    assert said is not None
    assert told in said[1]
    assert ".." not in said[1]
