from __future__ import annotations

import contextlib
import json
import logging
import os
import pty
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from overlay.cli import main
from overlay.cli.phrase import phrase
from overlay.config.launch import Launch
from overlay.errors import OverlayError, UsageError
from tests.overlay.cli.shell import join_argv, shell_is
from tests.overlay.control.fake import FakeNode, running

Capture = pytest.CaptureFixture[str]

UP: dict[str, object] = {"name": "laptop", "ipv4": "10.222.7.1", "ipv6": "fd3a::1", "dev": "overlay0", "port": 27182}


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Launch]]:
    """What the shell was handed."""
    handed: list[Launch] = []

    def run(launch: Launch) -> int:
        handed.append(launch)
        return 0

    with open(os.devnull, encoding="utf-8") as nothing, shell_is(run):
        monkeypatch.setattr("sys.stdin", nothing)
        yield handed
    for name in ("overlay", "punch"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    return ["--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "run/s.sock")]


def test_everything_reaches_the_shell(launches: list[Launch], places: list[str], tmp_path: Path) -> None:
    words = ["-n", "home", "-s", "hunter2222", "-p", "vps", "--peer", "b:5", "--name", "me", "--port", "5", "--no-tun"]
    assert main(["join", *words, *places, "-vv", "--punch", "off", "--stun", "stun.example"]) == 0
    (launch,) = launches
    config = launch.config
    assert (config.network, config.peers, config.node.name) == ("home", ("vps", "b:5"), "me")
    assert (config.node.port, config.node.tun, config.lan.enabled) == (5, False, True)
    assert launch.secret == "hunter2222"
    assert launch.state_dir == tmp_path / "state"
    assert launch.socket_path == tmp_path / "run/s.sock"
    assert (launch.verbose, launch.json, launch.detach) == (2, False, False)
    assert (config.punch.enabled, config.stun.servers) == (False, ("stun.example",))
    assert stat.S_IMODE(launch.state_dir.stat().st_mode) == 0o700
    assert logging.getLogger("overlay").level == logging.DEBUG


def test_debug_keys_warns_loudly(launches: list[Launch], places: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["join", "-n", "home", "-s", "long enough", *places, "--debug-keys", "keys.txt"]) == 0
    assert "EVERY KEY OF THIS NODE IS WRITTEN TO keys.txt" in capsys.readouterr().err
    assert [launch.debug_keys for launch in launches] == [Path("keys.txt").absolute()]


def test_no_variable_switches_debug_keys_on(
    launches: list[Launch], places: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERLAY_DEBUG_KEYS", "/tmp/never")
    assert main(["join", "-n", "home", "-s", "long enough", *places]) == 0
    assert [launch.debug_keys for launch in launches] == [None]


def test_everything_by_the_environment(launches: list[Launch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"NETWORK": "home", "SECRET": " two words ", "PEER": "a,b", "JSON": "1", "RELAY": "off"}
    values |= {"STATE_DIR": str(tmp_path / "state"), "SOCKET": str(tmp_path / "s.sock")}
    for name, value in values.items():
        monkeypatch.setenv(f"OVERLAY_{name}", value)
    assert main(["join"]) == 0
    (launch,) = launches
    assert (launch.config.network, launch.config.peers, launch.secret) == ("home", ("a", "b"), " two words ")
    assert (launch.json, launch.config.relay.enabled) == (True, False)
    assert "OVERLAY_SECRET" not in os.environ


def test_reloading_reads_the_same_sources_again(
    launches: list[Launch], places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "n.toml"
    file.write_text('network = "home"\nsecret = "x"\npeers = ["a"]\n')
    assert main(["join", "-c", "n.toml", "--relay", "off", *places]) == 0
    (launch,) = launches
    monkeypatch.chdir("/")
    file.write_text('network = "home"\nsecret = "x"\npeers = ["b"]\n')
    assert launch.reload().peers == ("b",)
    assert launch.reload().relay.enabled is False
    file.write_text("prot = 1\n")
    with pytest.raises(UsageError, match="prot"):
        launch.reload()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], "no_network"),
        (["-n", "home"], "no_secret"),
        (["-n", "home", "-s", ""], "config"),
        (["-n", "a/b", "-s", "x"], "config"),
        (["-n", "home", "-s", "x", "--secret-file", "y"], "config"),
        (["-n", "home", "--secret-file", "/absent"], "no_secret"),
        (["-n", "home", "-s", "x", "--ip", "10.0.0.1"], "config"),
        (["-n", "home", "-s", "x", "-p", "tcp://a"], "config"),
        (["-n", "home", "-s", "x", "-c", "/absent.toml"], "usage"),
        (["-n", "home", "-s", "x", "extra"], "usage"),
        (["--secret"], "usage"),
    ],
)
def test_wrong_usage_is_exit_2_and_starts_nothing(
    launches: list[Launch], places: list[str], capsys: Capture, tmp_path: Path, words: list[str], code: str
) -> None:
    assert main(["join", "--json", *places, *words]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code
    assert launches == []
    assert not (tmp_path / "state").exists()


def test_many_faults_are_told_at_once(places: list[str], capsys: Capture) -> None:
    assert main(["join", "-n", "home", "-s", "x", "--port", "x", "--relay", "x", "--nat3-nat4", "x", *places]) == 2
    err = capsys.readouterr().err
    assert all(flag in err for flag in ("3 faults", "--port", "--relay", "--nat3-nat4"))


def test_a_network_that_runs_already_is_exit_7(
    launches: list[Launch], places: list[str], capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir(0o755)
    with running(FakeNode(tmp_path / "run/s.sock")):
        assert main(["join", "-n", "home", *places]) == 7
    assert launches == []
    assert not (tmp_path / "state").exists()


def test_a_state_folder_in_use_is_exit_7(launches: list[Launch], tmp_path: Path) -> None:
    words = ["join", "-n", "home", "-s", "x", "--state-dir", str(tmp_path / "state")]
    assert main([*words, "--socket", str(tmp_path / "a.sock")]) == 0  # and goes on in this process
    assert main([*words, "--socket", str(tmp_path / "b.sock")]) == 7


@pytest.mark.parametrize("as_json", [False, True])
def test_it_says_when_it_is_up_and_what_changes(places: list[str], capsys: Capture, as_json: bool) -> None:
    def run(launch: Launch) -> int:
        launch.announce(UP)
        launch.say("peer_joined", "phone\x1b[2J is here, relay via vps", "phone")
        return 0

    with shell_is(run):
        assert main(["join", "-n", "home", "-s", "long enough", *places, *(["--json"] if as_json else [])]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert "\x1b" not in out
    if not as_json:
        assert lines[0] == "up: laptop 10.222.7.1 fd3a::1 on overlay0, UDP 27182"
        assert lines[1] == "phone\ufffd[2J is here, relay via vps"
        return
    up, joined = [json.loads(line) for line in lines]
    assert (up["event"], up["peer"], up["name"], up["port"]) == ("up", None, "laptop", 27182)
    assert (joined["event"], joined["peer"]) == ("peer_joined", "phone")
    assert up["at"][10] == "T"
    assert up["at"][-6] in "+-"


def test_an_error_of_the_shell_is_told(places: list[str], capsys: Capture) -> None:
    def run(launch: Launch) -> int:
        raise OverlayError("port 5 is in use", "another --port")

    with shell_is(run):
        assert main(["join", "-n", "home", "-s", "long enough", *places]) == 1
    assert capsys.readouterr().err == "overlay: port 5 is in use\n  fix: another --port\n"


def test_an_error_among_tasks_is_told_all_the_same(places: list[str], capsys: Capture) -> None:
    def run(launch: Launch) -> int:
        raise ExceptionGroup("tasks", [ValueError(), ExceptionGroup("more", [OverlayError("no device")])])

    with shell_is(run):
        assert main(["join", "-n", "home", "-s", "long enough", *places]) == 1
    assert capsys.readouterr().err == "overlay: no device\n"


def test_warnings(
    launches: list[Launch], places: list[str], capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = phrase(7).split("-")
    words[0] = "zoo" if words[0] != "zoo" else "zero"
    file = tmp_path / "secret"
    file.write_text("-".join(words))
    file.chmod(0o644)
    monkeypatch.setenv("OVERLAY_PEERS", "x")
    assert main(["join", "-n", "home", "--secret-file", str(file), *places]) == 0
    err = capsys.readouterr().err
    assert err.count("warning: ") == 3
    assert "a word is wrong" in err
    assert f"chmod 600 {file}" in err
    assert "did you mean OVERLAY_PEER?" in err
    assert "-".join(words) not in err


TELL = "def main(launch): print(ascii(launch.secret), flush=True); return 0"

ODD = ["with spaces", '"quo\'tes"', "$5 $HOME `id` \\n", "cafe\u0301 creme", " " * 8]


@pytest.mark.parametrize("secret", ODD)
def test_odd_secrets_through_real_processes(places: list[str], tmp_path: Path, secret: str) -> None:
    (tmp_path / "secret").write_text(secret, encoding="utf-8")
    (tmp_path / "secret").chmod(0o600)
    base = ["-n", "home", *places]
    for words, more, stdin in (
        (["-s", secret], {}, ""),
        (["--secret-file", str(tmp_path / "secret")], {}, ""),
        (["--secret-file", "-"], {}, secret),
        ([], {"OVERLAY_SECRET": secret}, ""),
    ):
        argv = join_argv(TELL, *base, *words)
        done = subprocess.run(
            argv, check=True, capture_output=True, input=stdin, encoding="utf-8", env={**os.environ, **more}
        )
        assert done.stdout == ascii(secret) + "\n"
        assert done.stderr == ""


def test_on_a_terminal_the_secret_is_asked_for_hidden(places: list[str]) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        argv = join_argv(TELL, "-n", "home", *places)
        os.execv(argv[0], argv)
    said = b""
    while b"home: " not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"hunter2222\n")
    with contextlib.suppress(OSError):  # EIO: the terminal's other end is closed
        while data := os.read(terminal, 1000):
            said += data
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert said.count(b"hunter2222") == 1  # what TELL printed, no echo
    assert b"Secret of network home: " in said


@pytest.mark.kernel
def test_without_permission_the_folder_and_the_way_out_are_named(tmp_path: Path) -> None:
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    words = ["-n", "home", "-s", "x", "--state-dir", str(tmp_path / "state"), "--socket", str(tmp_path / "s.sock")]
    done = subprocess.run(
        [*drop, *join_argv(TELL, *words)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 5, done.stderr
    assert str(tmp_path / "state") in done.stderr
    assert "sudo" in done.stderr
