"""The floor of handshakes a second, with a wide margin on any machine that is not starved."""

from __future__ import annotations

import pytest

from tools.bench.handshakes import SOURCES, main, rounds


def test_every_handshake_of_the_bench_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert [result.handshakes for result in rounds(1)] == [SOURCES]
    assert main(["--rounds", "1"]) == 0
    assert "answered on one core" in capsys.readouterr().out
