from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay import logs

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _quiet_after() -> Iterator[None]:
    yield
    for name in ("overlay", "punch"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize(("verbose", "lines"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_how_much_is_told(capsys: Capture, verbose: int, lines: int) -> None:
    logs.setup(verbose, stamped=False)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING):
        logging.getLogger("overlay.x").log(level, "said")
    assert capsys.readouterr().err.count("overlay: ") == lines


def test_strangers_words_cannot_steer_the_terminal(capsys: Capture) -> None:
    logs.setup(0, stamped=False)
    logging.getLogger("punch.x").warning("from %s", "a\x1b[2J\nb")
    assert capsys.readouterr().err == "overlay: warning: from a\ufffd[2J\ufffdb\n"


def test_a_traceback_keeps_its_lines_and_a_stamp_its_zone(capsys: Capture) -> None:
    logs.setup(0, stamped=True)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("overlay").exception("oh")
    err = capsys.readouterr().err
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} error: oh\nTraceback", err)


def test_setting_up_twice_says_things_once(capsys: Capture) -> None:
    logs.setup(0, stamped=False)
    logs.setup(0, stamped=False)
    logging.getLogger("overlay").warning("once")
    assert capsys.readouterr().err.count("once") == 1


@given(st.text())
def test_cleaned_text_is_one_line_of_the_same_length(text: str) -> None:
    cleaned = logs.clean(text)
    assert len(cleaned) == len(text)
    assert len(cleaned.splitlines()) <= 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", cleaned)


def test_ordinary_text_stays() -> None:
    assert logs.clean("Größe 家 \N{BLACK CIRCLE} 'x'") == "Größe 家 \N{BLACK CIRCLE} 'x'"
