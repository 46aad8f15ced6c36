from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.overlay.cli.shell import join_argv

NODE = """
def main(launch):
    import os, sys, time
    from pathlib import Path
    Path(launch.state_dir, "facts").write_text(
        f"{os.getpid()} {os.getsid(0)} {os.getppid()} {os.getcwd()} {launch.detach} {os.umask(0)} {sys.stdin.read()!r}")
    launch.say("starting", "on the way", None)
    print("a word on stderr", file=sys.stderr)
    launch.announce({"name": "laptop", "ipv4": "10.222.7.1", "port": 27182})
    launch.say("later", "after the parent went", None)
    time.sleep(30)
    return 0
"""


def join(tmp_path: Path, shell: str, *words: str) -> subprocess.CompletedProcess[str]:
    places = ["--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "s.sock")]
    argv = join_argv(shell, "-n", "home", "-s", "long enough", "-d", *places, *words)
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=20, cwd=tmp_path)


def wait_for(condition: object, what: str) -> None:
    assert callable(condition)
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.01)


def test_the_parent_returns_when_the_node_is_up(tmp_path: Path) -> None:
    done = join(tmp_path, NODE)
    pid, session, parent, folder, detached, umask, stdin = (tmp_path / "state/facts").read_text().split()
    try:
        assert (done.returncode, done.stdout) == (0, "up: laptop 10.222.7.1, UDP 27182\n")
        assert done.stderr == ""
        assert session not in (pid, str(os.getsid(0)))
        assert folder == "/"
        assert (detached, umask, stdin) == ("True", str(0o077), "''")
        assert int(parent) != os.getpid()
        log = tmp_path / "state/log"
        wait_for(lambda: "after the parent went" in log.read_text(), "the last line")
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        text = log.read_text()
        assert "a word on stderr" in text
        assert " on the way\n" in text
        assert all(line[4] == "-" and line[10] == "T" for line in text.splitlines() if "word" not in line)
    finally:
        os.kill(int(pid), signal.SIGKILL)


def test_as_json_the_parent_prints_one_object(tmp_path: Path) -> None:
    done = join(tmp_path, NODE, "--json")
    os.kill(int((tmp_path / "state/facts").read_text().split()[0]), signal.SIGKILL)
    told = json.loads(done.stdout)
    assert (told["event"], told["name"], told["ipv4"]) == ("up", "laptop", "10.222.7.1")
    lines = (tmp_path / "state/log").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines if line.startswith("{")][:2] == ["starting", "up"]


FAILING = """
def main(launch):
    from overlay.errors import NotPermitted
    raise NotPermitted("no device", "sudo overlay join")
"""


def test_what_keeps_it_from_coming_up_is_the_parents_error(tmp_path: Path) -> None:
    done = join(tmp_path, FAILING)
    assert done.returncode == 5
    assert done.stderr == "overlay: no device\n  fix: sudo overlay join\n"
    assert "no device" in (tmp_path / "state/log").read_text()
    told = json.loads(join(tmp_path, FAILING, "--json").stdout)
    assert told["error"] == {"code": "no_permission", "text": "no device", "fix": "sudo overlay join"}


@pytest.mark.parametrize("end", ["import os; os.kill(os.getpid(), 9)", "raise ZeroDivisionError", "return 0"])
def test_a_node_that_dies_first_is_exit_1_and_names_the_log(tmp_path: Path, end: str) -> None:
    done = join(tmp_path, f"def main(launch): {end}")
    assert done.returncode == 1
    assert f"see {tmp_path / 'state/log'}" in done.stderr


def test_ctrl_c_while_waiting_ends_the_node(tmp_path: Path) -> None:
    places = ["--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "s.sock")]
    stuck = (
        "def main(launch):\n  import os, time; from pathlib import Path\n"
        "  Path(launch.state_dir, 'pid').write_text(str(os.getpid()))\n  time.sleep(30)"
    )
    argv = join_argv(stuck, "-n", "home", "-s", "x", "-d", *places)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        file = tmp_path / "state/pid"
        wait_for(lambda: file.exists() and file.read_text(), "the node's pid")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    wait_for(lambda: not Path(f"/proc/{file.read_text()}").exists(), "the node's end")


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(0o700)
    (tmp_path / "state/log").symlink_to("/dev/null")
    done = join(tmp_path, NODE)
    assert done.returncode == 1
    assert str(tmp_path / "state/log") in done.stderr
