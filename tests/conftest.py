"""The default run leaves out what is slow or needs a kernel: ask with `-m "kernel or slow"`, or name the file."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    asked = config.option.markexpr or any("kernel" in word or "::" in word for word in config.args)
    if not asked:
        config.option.markexpr = "not kernel and not slow"
