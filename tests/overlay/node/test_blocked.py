"""UDP is not called blocked where it comes through, whichever servers are silent."""

from __future__ import annotations

from typing import cast

import pytest

from overlay.paths import punching
from punch.events import ProfileChanged
from punch.values import NatProfile
from tests.kit.scripted import ScriptedEngine
from tests.kit.village import Village


def test_a_session_shows_that_udp_is_not_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(punching, "Engine", ScriptedEngine)
    village = Village()
    with village.world:
        ann = village.join("ann", "203.0.0.2")
        engine = cast(ScriptedEngine, ann.node._rooms.paths.punching._engine)
        engine.profile = NatProfile(blocked=True)
        engine.happens.append(ProfileChanged(engine.profile))
        village.world.run_until(lambda: "udp_blocked" in village.problems("ann"), within=5.0)
        assert village.look("ann").self.nat.type == "blocked"
        village.join("vps", address="203.0.0.2")
        village.world.run_until(lambda: village.path("ann", "vps") == "direct", within=20.0)
        assert "udp_blocked" not in village.problems("ann")
        assert village.look("ann").self.nat.type == "open", "seen as it is"
        engine.happens.append(ProfileChanged(engine.profile))
        village.world.run_for(5.0)
        assert "udp_blocked" not in village.problems("ann"), "told again"
        village.crash("vps")
        village.world.run_until(lambda: "udp_blocked" in village.problems("ann"), within=600.0)
