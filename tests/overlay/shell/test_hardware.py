"""Which ciphers a CPU is offered for."""

from __future__ import annotations

from pathlib import Path

import pytest

from overlay.sealing.suite import AEGIS, AES, BUILT_IN, CHACHA
from overlay.shell.hardware import best_ciphers


@pytest.mark.parametrize(
    ("line", "fast"),
    [
        ("flags\t\t: fpu aes avx pclmulqdq", {AEGIS, AES}),
        ("flags\t\t: fpu aes pclmulqdq", {AES}),
        ("flags\t\t: fpu aes avx", {AEGIS}),
        ("Features\t: fp asimd aes pmull", {AEGIS, AES}),
        ("Features\t: fp asimd", set()),
        ("nothing here", set()),
    ],
)
def test_by_cpuinfo(tmp_path: Path, line: str, fast: set[str]) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\n{line}\n")
    wanted = {*fast, CHACHA}
    assert best_ciphers(file) == tuple(each for each in BUILT_IN if each in wanted)


def test_without_cpuinfo(tmp_path: Path) -> None:
    assert best_ciphers(tmp_path / "none") == (CHACHA,)
