#!/usr/bin/env python3
"""The door for a fresh machine: sets everything up, then runs.

    python3 tools/dev.py demo     the network live, in namespaces of this machine (root)
    python3 tools/dev.py test     linters, types, doors, and every test (kernel tests as root)
    python3 tools/dev.py check    the same without the slow and kernel tests
    python3 tools/dev.py setup    the set-up alone

Set-up: Debian packages through apt-get when root and missing, a virtual environment in `.venv`, the project in it.
Standard library only, and nothing newer than Python 3.9 in here, so that an old interpreter gets a sentence, not a
syntax error.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "overlay-setup"
"""Holds a hash of what was installed from."""

NEEDED = (3, 11)
DEBIAN_PYTHON = "/usr/bin/python3"
"""Debian's interpreter is built with profile guided optimisation: 10-30 % faster than a plain build."""

PACKAGES = {
    "python3-venv": "",
    "python3-dev": "",
    "gcc": "gcc",
    "iproute2": "ip",
    "nftables": "nft",
    "iperf3": "iperf3",
    "iputils-ping": "ping",
    "tcpdump": "tcpdump",
    "ethtool": "ethtool",
    "util-linux": "setpriv",
    "procps": "ps",
}
"""Debian package -> the program it brings (none: asked of dpkg)."""

LINTERS = (
    ("ruff check", ["ruff", "check", "."]),
    ("ruff format", ["ruff", "format", "--check", "."]),
    ("mypy", ["mypy"]),
    ("lint-imports", ["lint-imports", "--no-logo"]),
)


class Trouble(Exception):
    """What is wrong and what to do, for the person at the terminal."""


def say(text: str) -> None:
    """One line of progress, on stderr so that `demo --json` stays clean."""
    print(text, file=sys.stderr, flush=True)


def run(argv: list[str], env: dict[str, str] | None = None) -> None:
    """Run a command of the set-up.

    Raises:
        Trouble: it failed.
    """
    done = subprocess.run(argv, check=False, cwd=ROOT, stdout=sys.stderr, env=env)
    if done.returncode:
        raise Trouble(f"this failed with {done.returncode}: {' '.join(argv)}")


def missing_packages() -> list[str]:
    """The Debian packages that are not there."""
    path = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    return [
        package
        for package, program in PACKAGES.items()
        if not (shutil.which(program, path=path) if program else is_installed(package))
    ]


def is_installed(package: str) -> bool:
    """True if dpkg says so; without dpkg there is nothing to ask, and pip will tell."""
    if shutil.which("dpkg-query") is None:
        return True
    question = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    answer = subprocess.run(question, check=False, capture_output=True, text=True)
    return answer.stdout == "installed"


def install_packages() -> None:
    """Bring what is missing through apt-get when root; else say how."""
    missing = missing_packages()
    if not missing:
        return
    line = "apt-get install --no-install-recommends " + " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        say(f"setup: missing on this machine: sudo {line}")
        return
    say(f"setup: {line}")
    quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run(["apt-get", "update", "-q"], env=quiet)
    run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], env=quiet)


def version_of(python: str) -> tuple[int, ...]:
    """(major, minor) of an interpreter, or () where it does not run."""
    ask = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", ask], check=False, capture_output=True, text=True)
    except OSError:
        return ()
    return tuple(int(word) for word in answer.stdout.split())


def choose_python() -> str:
    """Debian's interpreter where it is new enough, else the newest one found.

    Raises:
        Trouble: none is new enough.
    """
    named = [shutil.which(f"python3.{minor}") for minor in range(15, NEEDED[1] - 1, -1)]
    for python in [DEBIAN_PYTHON, sys.executable, *[name for name in named if name]]:
        if version_of(python) >= NEEDED:
            return python
    raise Trouble("Python 3.11 or newer is needed: Debian 12 and later bring it (apt-get install python3)")


def install_project() -> None:
    """Make `.venv` and install the project in it, unless that is done already."""
    python = choose_python()
    known = f"{ROOT} {python} {version_of(python)}".encode() + (ROOT / "pyproject.toml").read_bytes()
    stamp = hashlib.sha256(known).hexdigest()
    if STAMP.exists() and STAMP.read_text() == stamp and version_of(str(VENV / "bin" / "python")) >= NEEDED:
        return
    if version_of(str(VENV / "bin" / "python")) != version_of(python):
        say(f"setup: a virtual environment in .venv ({python})")
        run([python, "-m", "venv", "--clear", str(VENV)])
    say("setup: pip install -e '.[dev]'")
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run([*pip, "install", "-e", ".[dev]"])
    STAMP.write_text(stamp)


def setup() -> None:
    """Everything that demo and test stand on."""
    install_packages()
    install_project()


def environment() -> dict[str, str]:
    """This environment, with `.venv` first in PATH."""
    path = f"{VENV / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
    return dict(os.environ, PATH=path, VIRTUAL_ENV=str(VENV))


def demo(arguments: list[str]) -> int:
    """Run `overlay demo`, with sudo where that is needed and there."""
    argv = [str(VENV / "bin" / "overlay"), "demo", *arguments]
    if os.geteuid() != 0 and shutil.which("sudo"):
        argv.insert(0, "sudo")
    return subprocess.run(argv, check=False, env=environment()).returncode


def test_runs(*, everything: bool) -> list[tuple[str, list[str]]]:
    """The pytest runs: (title, command)."""
    runs = [("tests", ["pytest"])]
    if everything and os.geteuid() == 0:
        runs.append(("slow and kernel tests", ["pytest", "-m", "kernel or slow"]))
    elif everything:
        runs.append(("slow tests", ["pytest", "-m", "slow and not kernel"]))
    return runs


def test(*, everything: bool) -> int:
    """Run all of it, whatever fails, and sum up."""
    results = []
    for title, argv in [*LINTERS, *test_runs(everything=everything)]:
        say(f"\n== {title}: {' '.join(argv)}")
        began = time.monotonic()
        code = subprocess.run(argv, check=False, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL).returncode
        results.append((title, code, time.monotonic() - began))
    say("")
    for title, code, seconds in results:
        say(f"{'ok    ' if code == 0 else 'FAILED'} {title} ({seconds:.0f} s)")
    if everything and os.geteuid() != 0:
        say("not run: kernel tests, which need root")
    return 1 if any(code for _, code, _ in results) else 0


def main(argv: list[str]) -> int:
    """Set up and run; returns the exit code."""
    verb = argv[0] if argv else ""
    if verb not in ("demo", "test", "check", "setup"):
        if verb not in ("", "-h", "--help"):
            say(f"dev.py: there is no {verb!r}; the words are demo, test, check and setup\n")
        say((__doc__ or "").strip())
        return 0 if verb in ("-h", "--help") else 2
    try:
        setup()
    except Trouble as trouble:
        say(f"setup: {trouble}")
        return 1
    if verb == "demo":
        return demo(argv[1:])
    return 0 if verb == "setup" else test(everything=verb == "test")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
