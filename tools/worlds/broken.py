"""What a world says when something that must always hold does not."""

from __future__ import annotations


class Broken(AssertionError):
    """An invariant does not hold: `word` names it, the text says what was seen."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(text)
        self.word = word
        self.text = text
