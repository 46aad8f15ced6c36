"""What a node writes for its people: no foreign control character, one line a change.

-v   how a node came to do it (INFO)      -vv   everything (DEBUG)      else warnings only
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing it takes milliseconds that `status` has no use for
    import logging

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, marks that turn the reading direction, and halves of surrogate pairs."""


def clean(text: str) -> str:
    """`text` with every character that could steer a terminal replaced."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def setup(verbose: int, *, stamped: bool) -> None:
    """Send the logs of overlay and punch to stderr; `stamped` puts date and time before each line."""
    import logging

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(stamped=stamped))
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    for name in ("overlay", "punch"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False


def _formatter(*, stamped: bool) -> logging.Formatter:
    import logging

    class OneLine(logging.Formatter):
        """Cleans the message, which may quote a stranger; a traceback keeps its lines."""

        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
            record.levelname = record.levelname.lower()
            record.message = clean(record.message)
            return super().formatMessage(record)

    form = "%(levelname)s: %(message)s"
    return OneLine("%(asctime)s " + form if stamped else "overlay: " + form, "%Y-%m-%dT%H:%M:%S%z")
