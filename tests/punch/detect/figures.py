"""How well and how fast NATs are read: kinds of the zoo x seeded worlds.

python -m tests.punch.detect.figures [WORLDS [LOSS [FOREIGN]]]     a line a kind, and the sum
"""

from __future__ import annotations

import sys
from collections import Counter

from msgspec import Struct, structs

from punch.sim.zoo import READABLE, Kind, expectation, misread
from tests.punch.detect.village import Village

SECONDS = 3.5
"""Of virtual time each world is given."""


class Reading(Struct, frozen=True):
    """What came of one kind."""

    kind: str
    worlds: int
    wrong: Counter[tuple[str, ...]]
    """Worlds in which these axes were misread."""
    choice: list[float]
    """Seconds until mapping and allocation were told, sorted; kinds without are left out."""
    packets: list[int]
    """Sent in the first second, sorted."""


def with_foreign(kind: Kind, foreign: float) -> Kind:
    """The same kind with that many foreign mappings a second on its outermost NAT, if it had fewer."""
    if not kind.models or kind.models[-1].foreign >= foreign:
        return kind
    models = (*kind.models[:-1], structs.replace(kind.models[-1], foreign=foreign))
    return structs.replace(kind, models=models, expected=expectation(models, kind.addresses, kind.hops))


def read(kind: Kind, *, worlds: int, loss: float, first_seed: int) -> Reading:
    """Detect in `worlds` worlds with loss of 0..`loss`, evenly spread over them."""
    reading = Reading(kind.name, worlds, Counter(), [], [])
    for number in range(worlds):
        made = Village(kind, seed=first_seed + number, loss=loss * number / max(1, worlds - 1))
        made.start()
        made.world.run(until=SECONDS)
        wrong = misread(kind, made.asking.profile)
        if wrong:
            reading.wrong[wrong] += 1
        told = (at for at, each in made.asking.profiles() if "unknown" not in (each.mapping, each.allocation))
        reading.choice.extend([at] if (at := next(told, None)) is not None else [])
        reading.packets.append(sum(at < 1.0 for at, _ in made.asking.sent))
    reading.choice.sort()
    reading.packets.sort()
    return reading


def measure(*, worlds: int = 100, loss: float = 0.02, foreign: float = 50.0) -> list[Reading]:
    """Every readable kind of the zoo."""
    return [
        read(with_foreign(kind, foreign), worlds=worlds, loss=loss, first_seed=10_000 * number)
        for number, kind in enumerate(READABLE.values())
    ]


def main() -> None:
    """Print the table."""
    given = [float(each) for each in sys.argv[1:]] + [100.0, 0.02, 50.0][len(sys.argv) - 1 :]
    readings = measure(worlds=int(given[0]), loss=given[1], foreign=given[2])
    for each in readings:
        times = [each.choice[int(len(each.choice) * part)] for part in (0.5, 0.95)] if each.choice else []
        wrong = {"+".join(axes): count for axes, count in each.wrong.items()}
        median = each.packets[len(each.packets) // 2]
        print(f"{each.kind:24} {sum(each.wrong.values()):4} wrong  {median:3} packets  {times} s  {wrong or ''}")
    total = sum(each.worlds for each in readings)
    bad = sum(sum(each.wrong.values()) for each in readings)
    print(f"{100 * (1 - bad / total):.2f} % of {total} worlds read right")


if __name__ == "__main__":
    main()
