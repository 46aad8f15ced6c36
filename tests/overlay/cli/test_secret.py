from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.cli import main
from overlay.cli.phrase import RANDOM_BITS, WORDS, phrase, slip, weakness, word_list

Capture = pytest.CaptureFixture[str]


def test_the_words_are_told_apart_by_their_first_four_letters() -> None:
    assert len(word_list()) == 2048 == len({word[:4] for word in word_list()})
    assert all(word.isascii() and word.islower() and 3 <= len(word) <= 8 for word in word_list())


@given(st.integers(0, 2**RANDOM_BITS - 1))
def test_a_phrase_is_six_words_and_right(chance: int) -> None:
    words = phrase(chance)
    assert len(words.split("-")) == WORDS
    assert slip(words) == ""
    assert slip(words + "\n") == ""


@given(st.integers(0, 2**RANDOM_BITS - 1), st.integers(0, 2**RANDOM_BITS - 1))
def test_different_chance_different_phrase(one: int, other: int) -> None:
    assert (phrase(one) == phrase(other)) == (one == other)


def test_a_word_misread_is_noticed_63_times_in_64() -> None:
    entropy = random.Random(1)
    noticed = 0
    for _ in range(2000):
        words = phrase(entropy.getrandbits(RANDOM_BITS)).split("-")
        place = entropy.randrange(WORDS)
        words[place] = entropy.choice([word for word in word_list() if word != words[place]])
        noticed += "a word is wrong" in slip("-".join(words))
    assert noticed >= 1940


def test_a_word_that_no_list_has_is_noticed_and_not_shown() -> None:
    words = phrase(12345).split("-")
    for place, where in ((0, "first"), (2, "third"), (5, "at its end")):
        wrong = "-".join([*words[:place], "qwxyz", *words[place + 1 :]])
        assert where in slip(wrong)
        assert "qwxyz" not in slip(wrong)


def test_a_short_secret_is_called_weak() -> None:
    assert "fewer than 8" in weakness("hunter2")
    assert "fewer than 8" in weakness("hunter2\n")
    assert weakness("hunter22") == weakness(phrase(1)) == ""


@pytest.mark.parametrize("change", [str.upper, str.title, lambda words: words.replace("-", " ")])
def test_another_spelling_is_noticed(change: object) -> None:
    assert callable(change)
    assert "stay out" in slip(change(phrase(12345)))


@pytest.mark.parametrize(
    "secret",
    ["", "hunter2", "one two three", "abandon", "zoo-" * 6, "correct horse battery", "my dog has seven blue collars"],
)
def test_other_secrets_are_nobodys_business(secret: str) -> None:
    assert slip(secret) == ""


def test_the_command(capsys: Capture) -> None:
    assert main(["secret", "new"]) == 0
    assert main(["secret", "new"]) == 0
    one, other = capsys.readouterr().out.splitlines()
    assert one != other
    assert slip(one) == slip(other) == ""
    assert main(["secret", "new", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert slip(told["secret"]) == ""
    assert told["schema"] == 1
