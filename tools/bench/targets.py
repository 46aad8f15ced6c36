"""Floor and aim of every figure; told beside what was measured, never asserted."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

Figures = dict[str, float]
"""Figure -> median. Figures of a contender are called `<measure>/<contender>`, ours alone `<measure>`."""

US = "overlay"
RAW = "raw veth"
WIREGUARD = "wireguard-go"


class Target(Struct, frozen=True):
    """A figure made of measured ones."""

    title: str
    floor: float
    aim: float
    value: Callable[[Figures], float | None]
    less: bool = False
    """True where smaller is better."""

    def verdict(self, value: float) -> str:
        """`aim`, `floor` or `below floor`."""
        for word, bound in (("aim", self.aim), ("floor", self.floor)):
            if value <= bound if self.less else value >= bound:
                return word
        return "BELOW FLOOR"


def ratio(over: str, under: str) -> Callable[[Figures], float | None]:
    """One figure by another."""

    def value(figures: Figures) -> float | None:
        return figures[over] / figures[under] if over in figures and figures.get(under) else None

    return value


def best_peer(measure: str) -> Callable[[Figures], float | None]:
    """Ours by the best of the compiled peers."""

    def value(figures: Figures) -> float | None:
        others = [
            figure
            for name, figure in figures.items()
            if name.startswith(f"{measure}/") and name not in (f"{measure}/{US}", f"{measure}/{RAW}")
        ]
        ours = figures.get(f"{measure}/{US}")
        return ours / max(others) if others and ours is not None else None

    return value


def plain(name: str) -> Callable[[Figures], float | None]:
    """The figure itself."""
    return lambda figures: figures.get(name)


def lost(calm: str) -> Callable[[Figures], float | None]:
    """Per cent of the throughput `calm` that is lost under garbage."""

    def value(figures: Figures) -> float | None:
        return 100 * (1 - figures["garbage_stormy"] / figures[calm]) if figures.get(calm) else None

    return value


TARGETS = (
    Target("one TCP stream / raw veth", 0.20, 0.37, ratio(f"tcp1/{US}", f"tcp1/{RAW}")),
    Target("one TCP stream / wireguard-go", 1.4, 3.0, ratio(f"tcp1/{US}", f"tcp1/{WIREGUARD}")),
    Target("four TCP streams / best peer", 1.4, 2.5, best_peer("tcp4")),
    Target("UDP 200 B flood, packets/s arriving / raw veth", 0.25, 0.5, ratio(f"udp200/{US}", f"udp200/{RAW}")),
    Target("UDP 200 B flood / wireguard-go", 2, 5, ratio(f"udp200/{US}", f"udp200/{WIREGUARD}")),
    Target("one TCP stream through a relay / our direct", 0.5, 0.8, ratio("relay", f"tcp1/{US}")),
    Target("ping RTT median / wireguard-go", 1.2, 0.8, ratio(f"ping/{US}", f"ping/{WIREGUARD}"), less=True),
    Target("start to first relayed ping, s", 1.0, 0.5, plain("start"), less=True),
    Target("idle: resident MiB", 45, 38, plain("idle_mib"), less=True),
    Target("idle: CPU %", 0.1, 0.03, plain("idle_cpu"), less=True),
    Target("idle: datagrams a minute, sent + received", 12, 6, plain("idle_datagrams"), less=True),
    Target("overlay --help, s", 0.15, 0.08, plain("help_s"), less=True),
    Target("overlay status, s", 0.25, 0.12, plain("status_s"), less=True),
    Target("full handshakes a second answered on one core", 150, 500, plain("handshakes")),
    Target("TCP throughput lost under 20,000 garbage datagrams/s, %", 30, 10, lost("garbage_calm"), less=True),
    Target("  the stranger's own work on this machine left out, %", 30, 10, lost("garbage_elsewhere"), less=True),
)

PUNCH_TARGETS = (
    Target("detection 40 ms from the server, s", 1.0, 0.6, plain("detection_s"), less=True),
    Target("TCP over a punched path / over an unpunched one", 0.95, 1.0, ratio("tcp_punched", "tcp_open")),
)
