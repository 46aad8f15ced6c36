"""Every row of the bench: how one round of it is run, and what it must reach."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial

from tools.bench.mesh import churn, crowd, game, gaps, lossy, restart
from tools.bench.mesh.row import Figures, Row, Settings
from tools.bench.mesh.table import Goal, median, ratio, worst


def _timed(
    name: str, about: str, measure: Callable[[], float], *, floor: tuple[float, float], aim: tuple[float, float]
) -> Row:
    """A row of one duration: bounds of its median and of its longest."""
    goals = (
        Goal(title=f"{about}: median s", value=median(name), floor=floor[0], aim=aim[0]),
        Goal(title=f"{'':{len(about)}}  max s", value=worst(name), floor=floor[1], aim=aim[1]),
    )
    return Row(name=name, about=about, rounds=10, run=lambda settings, seed: {name: measure()}, goals=goals)


def _lossy(name: str, about: str, where: str, control: str, bounds: dict[float, tuple[float, float]]) -> Row:
    """A row of ratios to the raw way, one a loss rate."""
    figures = {loss: f"{where}_{control}_{100 * loss:g}" for loss in bounds}
    goals = tuple(
        Goal(
            title=f"{about}, {100 * loss:g} % loss / raw",
            value=ratio(f"{figures[loss]}/overlay", f"{figures[loss]}/raw"),
            floor=floor,
            aim=aim,
            less=False,
        )
        for loss, (floor, aim) in bounds.items()
    )

    def run(settings: Settings, seed: int) -> Figures:
        found = Figures()
        for loss in bounds:
            found |= lossy.ratios(where, loss, control, seconds=settings.seconds, seed=seed)
        return found

    beside = tuple(f"{figure}/{who}" for figure in figures.values() for who in ("raw", "overlay", "wireguard-go"))
    return Row(name=name, about=about, rounds=3, run=run, goals=goals, beside=beside)


def _below(title: str, name: str, floor: float, aim: float) -> Goal:
    return Goal(title=title, value=median(name), floor=floor, aim=aim)


_RELAYED = {"floor": (2.0, 3.0), "aim": (1.0, 1.5)}
_BESIDE_DIRECT = {"floor": (1.5, 2.5), "aim": (0.5, 1.0)}
_RETURNED = {"floor": (1.5, 2.5), "aim": (0.7, 1.2)}
_BACK = {"floor": (0.8, 0.8), "aim": (0.4, 0.4)}

ROWS = (
    _timed("relay-killed", "silence, relay killed, another relay at hand", gaps.relay_killed, **_RELAYED),
    _timed(
        "relay-killed-direct",
        "silence, relay killed, a direct spare",
        gaps.relay_killed_beside_a_direct_way,
        **_BESIDE_DIRECT,
    ),
    _timed("direct-cut", "silence, direct way dead, a relay at hand", gaps.direct_cut, **_RELAYED),
    _timed("flushed", "silence, both NATs flushed, same ports again", gaps.flushed_keeping_ports, **_RETURNED),
    _timed("flushed-ports", "silence, both NATs flushed, other ports", gaps.flushed_to_other_ports, **_RETURNED),
    _timed("moved", "silence, a public host's address changed", gaps.moved, **_RETURNED),
    _timed("moved-home", "silence, a home host's address changed", gaps.moved_at_home, **_RETURNED),
    _timed("restart", "restart after SIGKILL to first relayed ping", partial(restart.after, signal.SIGKILL), **_BACK),
    _timed("rejoin", "start after a leave to first relayed ping", partial(restart.after, signal.SIGTERM), **_BACK),
    _lossy("lossy", "TCP cubic, 40 ms", "far", "cubic", {0.001: (6, 20), 0.01: (8, 30), 0.03: (6, 20)}),
    _lossy("lossy-bbr", "TCP bbr, 40 ms", "far", "bbr", {0.001: (0.8, 1), 0.01: (0.8, 1), 0.03: (0.8, 1)}),
    _lossy("lossy-near", "TCP cubic, no delay", "near", "cubic", {0.001: (0.3, 0.5), 0.01: (0.3, 0.5)}),
    Row(
        name="game",
        about="200 B, 50/s over 2 % loss",
        rounds=3,
        run=lambda settings, seed: game.lost_inside(seconds=settings.game_seconds, seed=seed),
        goals=(_below("200 B packets, 50/s over 2 % loss: lost inside, %", "game", 0.2, 0.05),),
        beside=("game_warm", "game_path"),
    ),
    Row(
        name="fair",
        about="ours beside raw in one queue",
        rounds=3,
        run=lambda settings, seed: lossy.shared(seconds=2.5 * settings.seconds, seed=seed),
        goals=(
            Goal(
                title="ours beside raw, one 20 Mbit/s queue of 100, 40 ms: our share, %",
                value=median("share"),
                floor=10,
                aim=2,
                around=50,
            ),
        ),
        beside=("share_sum",),
    ),
    Row(
        name="clean",
        about="clean path",
        rounds=3,
        run=lambda settings, seed: lossy.clean(seconds=settings.seconds),
        goals=(_below("clean path: bytes spent on loss control, %", "parity", 0.5, 0),),
        beside=("clean_mbit",),
    ),
    Row(
        name="crowd",
        about="30 real processes",
        rounds=1,
        run=lambda settings, seed: crowd.crowd(members=settings.members, idle_seconds=settings.idle_seconds),
        goals=(
            _below("real processes, each told one other: all reach all, s", "crowd_s", 15, 9),
            _below("  idle: CPU a node, %", "crowd_cpu", 0.5, 0.1),
            _below("  idle: bytes a second sent a node", "crowd_bytes", 1000, 300),
            _below("  idle: resident MiB", "crowd_mib", 50, 42),
            _below("  leave known to all, s", "leave_s", 1, 0.3),
        ),
        beside=("crowd_bytes_max",),
    ),
    Row(
        name="killed",
        about="SIGKILL under traffic",
        rounds=5,
        run=lambda settings, seed: {"killed_s": crowd.noticed()},
        goals=(_below("SIGKILL under traffic noticed, s", "killed_s", 3, 1),),
    ),
    Row(
        name="churn",
        about="churn",
        rounds=1,
        run=lambda settings, seed: churn.churn(minutes=settings.minutes, seed=seed),
        goals=(
            _below("churn, one member in or out a second: memory grows by, %", "churn_mib", 2, 0),
            _below("  open files grow by, %", "churn_files", 2, 0),
            _below("  sockets grow by, %", "churn_sockets", 2, 0),
        ),
        beside=("churn_mib_last", "churn_files_last", "churn_sockets_last", "churn_disk", "churn_disk_last"),
    ),
)
