from __future__ import annotations

import io
from pathlib import Path

import pytest

from overlay.config.schema import Config
from overlay.config.secret import read_secret, readable_by_others
from overlay.errors import UsageError
from overlay.identity import secret_bytes

ODD = [
    "with spaces ",
    '"quo\'tes"',
    "$5 $HOME `id` \\n",
    "cafe\u0301",
    "tab\there",
    " ",
    "\u202ereversed",
    "-",
    "a\n\nb",
]


@pytest.mark.parametrize("secret", ODD)
def test_nothing_is_expanded_or_trimmed_whichever_way_it_comes(tmp_path: Path, secret: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(secret.encode() + b"\n")
    wanted = secret_bytes(secret)
    assert secret_bytes(read_secret(Config(secret=secret))) == wanted
    assert secret_bytes(read_secret(Config(secret_file=str(file)))) == wanted
    piped = read_secret(Config(secret_file="-"), stdin=io.BytesIO(secret.encode() + b"\n"))
    assert secret_bytes(piped) == wanted
    assert secret_bytes(read_secret(Config(), ask=lambda: secret)) == wanted


def test_decomposed_and_composed_are_one_secret() -> None:
    assert secret_bytes(read_secret(Config(secret="cafe\u0301"))) == secret_bytes("caf\u00e9")


def test_without_a_terminal_nothing_asks() -> None:
    with pytest.raises(UsageError) as caught:
        read_secret(Config())
    assert caught.value.code == "no_secret"
    assert "--secret-file" in caught.value.fix


@pytest.mark.parametrize("raw", [b"", b"\n", b"\xff\xfe", b"x" * 70_000])
def test_what_is_no_secret(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(raw)
    with pytest.raises(UsageError):
        read_secret(Config(secret_file=str(file)))
    with pytest.raises(UsageError):
        read_secret(Config(secret_file="-"), stdin=io.BytesIO(raw))


def test_an_empty_answer_is_no_secret() -> None:
    with pytest.raises(UsageError, match="empty"):
        read_secret(Config(), ask=lambda: "")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent"):
        read_secret(Config(secret_file=str(tmp_path / "absent")))


def test_a_file_that_everybody_reads_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(0o600)
    assert not readable_by_others(Config(secret_file=str(file)))
    file.chmod(0o644)
    assert readable_by_others(Config(secret_file=str(file)))
    assert not readable_by_others(Config(secret_file="-"))
    assert not readable_by_others(Config(secret_file=str(tmp_path / "absent")))
