"""Where the scenario files lie, and reading one."""

from __future__ import annotations

from pathlib import Path

from overlay.errors import UsageError
from overlay.lab.scenario import Scenario, parse_scenario


def scenario_folder() -> Path:
    """Where the scenario files lie: beside this module in a wheel, `configs/lab` in a checkout."""
    shipped = Path(__file__).parent / "scenarios"
    return shipped if shipped.is_dir() else Path(__file__).parents[2] / "configs" / "lab"


def scenario_names() -> list[str]:
    """The scenarios there are."""
    return sorted(path.stem for path in scenario_folder().glob("*.toml"))


def load_scenario(name: str | Path) -> Scenario:
    """Read the scenario called `name`, or the file at that path.

    Raises:
        UsageError: no such scenario, or the file is wrong; every fault of it is named.
    """
    path = Path(name) if str(name).endswith(".toml") else scenario_folder() / f"{name}.toml"
    try:
        return parse_scenario(path.read_text(encoding="utf-8"), origin=path.name)
    except FileNotFoundError:
        raise UsageError(f"no scenario {name}", f"there are: {', '.join(scenario_names())}") from None
