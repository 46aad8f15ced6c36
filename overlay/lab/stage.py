"""The lab itself: builds a scene, runs things in it, and leaves nothing behind.

Namespaces are called `ovl<pid>-<start>-<serial>-<box>`, so labs of several runs never meet, and `Lab.sweep` knows
whose owner is dead (a pid alone would come back one day; with its start time it does not).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import msgspec

from overlay.errors import NotPermitted, OverlayError, UsageError
from overlay.lab import foreign, story, userspace
from overlay.lab.entries import Entries, UserspaceNat, conntrack
from overlay.lab.process import Process
from overlay.lab.scenario import Scenario
from overlay.lab.shelf import load_scenario
from punch.sim.model import NatModel

_TAG = re.compile(r"ovl(\d+)-(\d+)-\d+")
_NAMESPACES = Path("/run/netns")
_SERIALS = itertools.count()
_PATH = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
"""Debian keeps `nft` where not everybody's PATH looks."""

_Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class Lab:
    """A scene that stands as long as the `with` block, also when that ends by Ctrl-C or SIGTERM."""

    def __init__(self, scenario: Scenario | str, *, userspace_nat: Sequence[str] = (), seed: int = 1) -> None:
        """`scenario`, or the name of one (`two-nat`).

        `userspace_nat` is the command that translates for routers with a `userspace` model (`tools.natlab.COMMAND`
        in a checkout), `seed` what its dice are thrown by.

        Raises:
            UsageError: there is no such scenario, its file is wrong, or it wants a `userspace_nat` and has none.
        """
        self.scenario = load_scenario(scenario) if isinstance(scenario, str) else scenario
        if not userspace_nat and any(router.userspace for router in self.scenario.routers.values()):
            raise UsageError("this scene has a userspace NAT", "give the lab the command that runs one")
        self._userspace_nat = list(userspace_nat)
        self._seed = seed
        self.tag = f"ovl{os.getpid()}-{_start_time(os.getpid())}-{next(_SERIALS)}"
        self.root = Path(tempfile.gettempdir()) / self.tag
        """A folder for everything the lab writes; gone afterwards."""
        self.processes: list[Process] = []
        self._logs = itertools.count()
        self._old_sigterm: _Handler = None

    def __enter__(self) -> Self:
        """Build the scene.

        Raises:
            NotPermitted: this takes root.
            OverlayError: `ip` or `nft` is not installed, or failed.
        """
        check_host()
        if threading.current_thread() is threading.main_thread():
            self._old_sigterm = signal.signal(signal.SIGTERM, _end)
        try:
            self.sweep()
            self.root.mkdir(mode=0o755)
            for host in self.scenario.boxes():
                (self.root / host).mkdir(mode=0o755)
            _shell(story.build(self.scenario, self.tag))
            self._start_helpers()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_helpers(self) -> None:
        """What routers need beside the kernel: userspace NATs, and those who make foreign mappings."""
        nats = []
        for name, router in self.scenario.routers.items():
            if router.userspace:
                box = UserspaceNat(
                    model=router.model() or NatModel(),
                    addresses=tuple(userspace.public(router)),
                    inside=tuple(userspace.inside(self.scenario, router)),
                    device=userspace.DEVICE,
                    seed=f"{self._seed}/{name}",
                    counters=str(self.counters(name)),
                )
                told = self.folder(name) / "nat.json"
                told.write_bytes(msgspec.json.encode(box))
                nats.append(self.spawn(name, [*self._userspace_nat, str(told)]))
            elif router.foreign:
                target = foreign.target(self.scenario, name)
                argv = [sys.executable, "-m", foreign.__name__, target, str(router.foreign), f"{self._seed}/{name}"]
                self.spawn(name, argv)
        for process in nats:
            process.wait_for("ready")

    def counters(self, router: str) -> Path:
        """Where a userspace NAT writes its counters, ten times a second (overlay.lab.entries reads them)."""
        return self.folder(router) / "counters.json"

    def entries(self, router: str) -> Entries:
        """The UDP entries of a router's NAT now.

        Raises:
            OverlayError: it shows none.
        """
        if self.scenario.routers[router].userspace:
            return msgspec.json.decode(self.counters(router).read_bytes(), type=Entries)
        return conntrack(self.run(router, ["cat", "/proc/net/nf_conntrack"]).stdout)

    def close(self) -> None:
        """Take everything down; a second Ctrl-C meanwhile waits."""
        with _undisturbed():
            for process in self.processes:
                process.send(signal.SIGCONT)
                process.send(signal.SIGTERM)
            for process in self.processes:
                process.stop(timeout=3)
            _remove(name for name in _present() if name.startswith(f"{self.tag}-"))
            shutil.rmtree(self.root, ignore_errors=True)
        if self._old_sigterm is not None:
            signal.signal(signal.SIGTERM, self._old_sigterm)
            self._old_sigterm = None

    @staticmethod
    def sweep() -> list[str]:
        """Remove what labs of dead processes left; returns the namespaces removed."""
        left = [name for name in _present() if (match := _TAG.match(name)) and not _alive(match)]
        _remove(left)
        for folder in Path(tempfile.gettempdir()).glob("ovl*"):
            if (match := _TAG.fullmatch(folder.name)) and not _alive(match):
                shutil.rmtree(folder, ignore_errors=True)
        return left

    def namespace(self, box: str) -> str:
        """The namespace of a host or router."""
        return story.namespace(self.tag, box)

    def folder(self, box: str) -> Path:
        """A folder for what `box` keeps on disk."""
        return self.root / box

    def address(self, box: str, segment: str = "", *, version: int = 4) -> str:
        """The first address of `box` with this IP version."""
        return self.scenario.address(box, segment, version=version)

    def inside(self, box: str, argv: Iterable[str]) -> list[str]:
        """`argv` as it runs on `box`."""
        return ["ip", "netns", "exec", self.namespace(box), *argv]

    def run(
        self,
        box: str,
        argv: Sequence[str],
        *,
        timeout: float = 30.0,
        check: bool = True,
        stdin: str = "",
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on `box` to its end.

        Raises:
            OverlayError: it took over `timeout` seconds, or failed and `check` is set.
        """
        return _run(self.inside(box, argv), timeout=timeout, check=check, stdin=stdin, env=env)

    def spawn(self, box: str, argv: Sequence[str], *, env: dict[str, str] | None = None) -> Process:
        """Start a command on `box`; it ends with the lab at the latest."""
        log = self.folder(box) / f"{next(self._logs)}-{Path(argv[0]).name}.out"
        process = Process(self.inside(box, argv), log=log, env=_environment(env))
        self.processes.append(process)
        return process


def check_host(command: str = "this") -> None:
    """See that a lab can stand here; `command` is what the person ran.

    Raises:
        NotPermitted: this takes root.
        OverlayError: `ip` or `nft` is not installed.
    """
    if os.geteuid() != 0:
        raise NotPermitted("network namespaces take root", f"run: sudo {command}")
    packages = {"ip": "iproute2", "nft": "nftables"}
    missing = [package for program, package in packages.items() if shutil.which(program, path=_PATH) is None]
    if missing:
        raise OverlayError(f"{' and '.join(missing)} not installed", f"sudo apt-get install {' '.join(missing)}")


def _run(
    argv: list[str],
    *,
    timeout: float = 30.0,
    check: bool = True,
    stdin: str = "",
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            argv,
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=_environment(env),
        )
    except subprocess.TimeoutExpired as error:
        raise OverlayError(f"{' '.join(argv)} took over {timeout:g} s\n{error.stdout!r}\n{error.stderr!r}") from None
    if check and done.returncode:
        raise OverlayError(f"{' '.join(argv)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def _environment(extra: dict[str, str] | None) -> dict[str, str]:
    """Ours without what its person set for a node of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OVERLAY_")}
    return {**kept, "PATH": _PATH, **(extra or {})}


def _shell(script: str) -> None:
    _run(["sh", "-eu", "-s"], stdin=script)


def _present() -> list[str]:
    return sorted(os.listdir(_NAMESPACES)) if _NAMESPACES.is_dir() else []


def _remove(names: Iterable[str]) -> None:
    """Kill what still runs in these namespaces, then remove them; one that is gone meanwhile is no fault."""
    doomed = list(names)
    inodes = set()
    for name in doomed:
        with contextlib.suppress(OSError):
            inodes.add(os.stat(_NAMESPACES / name).st_ino)
    for entry in os.listdir("/proc") if inodes else ():
        with contextlib.suppress(OSError):
            if entry.isdigit() and os.stat(f"/proc/{entry}/ns/net").st_ino in inodes:
                os.kill(int(entry), signal.SIGKILL)
    if doomed:
        _run(["ip", "-force", "-batch", "-"], stdin=story.remove(doomed), check=False)


def _start_time(pid: int) -> int:
    """Clock ticks after boot at which `pid` started (proc(5), stat, field 22), or 0."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def _alive(match: re.Match[str]) -> bool:
    return _start_time(int(match[1])) == int(match[2])


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until done."""
    held = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
