from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from overlay.cli.argv import masked
from tests.overlay.cli.shell import join_argv

SHOW = """
def main(launch):
    import json, os, subprocess, sys
    from pathlib import Path
    ps = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(os.getpid())], capture_output=True, text=True)
    print(json.dumps({
        "cmdline": Path("/proc/self/cmdline").read_bytes().decode("latin-1").split("\\0"),
        "ps": ps.stdout, "argv": sys.argv, "orig": sys.orig_argv, "secret": launch.secret,
    }))
    return 0
"""


@pytest.mark.parametrize(
    "how", [["-s", "{}"], ["-s{}"], ["-vs{}"], ["-vs", "{}"], ["--secret", "{}"], ["--secret={}"]], ids="".join
)
@pytest.mark.parametrize("secret", ["hunter2-hunter2", "x y $z", "größe", "q"])
def test_the_secret_vanishes_from_ps(tmp_path: Path, how: list[str], secret: str) -> None:
    places = ["--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "s.sock")]
    argv = join_argv(SHOW, "-n", "home", *[word.format(secret) for word in how], *places)
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert told["secret"] == secret
    for words in (told["cmdline"], told["argv"], told["orig"]):
        raw = [word.encode("latin-1").decode() if words is told["cmdline"] else word for word in words]
        assert not [word for word in raw if word.endswith(secret) and word.startswith(("-", secret))]
        assert "home" in raw
    if len(secret) > 1:
        assert secret not in told["ps"]
        assert "hunter2" not in done.stdout.replace(json.dumps(secret), "")
    assert "could not be hidden" not in done.stderr


def test_only_the_secret_is_masked() -> None:
    words = [b"overlay", b"join", b"-n", b"home", b"-ds", b"otter", b"--name", b"otter-1", b"--secret=otter"]
    assert masked(words, b"otter") == [
        b"overlay",
        b"join",
        b"-n",
        b"home",
        b"-ds",
        b"***",
        b"--name",
        b"otter-1",
        b"--secret=***",
    ]
