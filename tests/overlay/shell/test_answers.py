"""What commands ask of a running node: answered from its rooms, told to its engine at once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from overlay.errors import NoSuchPeer, UsageError
from overlay.node import facts as told
from overlay.node.core import Node
from overlay.node.snapshot import Nat, Snapshot
from overlay.shell.answers import Answers, _is_settled
from overlay.shell.loop import Loop
from tests.kit.village import Village


class Stage:
    """A loop whose node lives in a village."""

    def __init__(self) -> None:
        self.village = Village()
        self.village.trio()
        self.told: list[object] = []

    @property
    def node(self) -> Node:
        return self.village.nodes["ann"].node

    def snapshot(self) -> Snapshot:
        return self.village.look("ann")

    def tell(self, fact: told.Fact) -> None:
        self.told.append(fact)
        self.village.nodes["ann"].tell(fact, now=self.village.world.now)

    def ask(self, **request: Any) -> dict[str, Any]:
        """The one reply to a request."""

        async def run() -> dict[str, Any]:
            answers = Answers(cast(Loop, self), lambda: None, asyncio.Event())
            (reply,) = [each async for each in answers.answer(request)]
            return reply

        return asyncio.run(run())


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_nat_and_endpoints(stage: Stage) -> None:
    reply = stage.ask(do="nat")
    assert reply["nat"]["type"] in ("open", "NAT3", "unknown")
    assert reply["endpoints"][0]["kind"] == "public"
    assert reply["undecided"] == list(stage.village.nodes["ann"].node.undecided)
    assert stage.told == []


def test_why_names_text_fixes_and_the_journal(stage: Stage) -> None:
    bob = stage.village.nodes["bob"].node.id
    reply = stage.ask(do="why", peer=bob.hex())
    assert set(reply) == {"text", "fix", "attempts"}
    assert reply["attempts"]
    with pytest.raises(NoSuchPeer):
        stage.ask(do="why", peer="00" * 32)


def test_a_person_asks_for_a_direct_way(stage: Stage) -> None:
    bob = stage.village.nodes["bob"].node.id
    assert stage.ask(do="direct", peer=bob.hex()) == {"ok": True}
    assert stage.told == [told.DirectAsked(bob)]


def test_the_engine_is_switched_at_once(stage: Stage) -> None:
    assert stage.ask(do="punch")["enabled"] is True
    assert stage.ask(do="punch", action="off")["enabled"] is False
    assert stage.ask(do="punch", action="set", key="nat4_nat4", value="auto")["nat4_nat4"] == "auto"
    assert stage.ask(do="punch", action="set", key="max_pps", value=50) | {"enabled": True} == stage.ask(
        do="punch", action="on"
    )
    assert stage.ask(do="punch")["max_pps"] == 50


def test_one_peer_has_settings_of_its_own(stage: Stage) -> None:
    bob = stage.village.nodes["bob"].node.id
    stage.ask(do="punch", action="set", key="nat4_nat4", value="always", peer=bob.hex())
    assert stage.told == [told.PeerPunchAsked(bob, None, "always"), told.DirectAsked(bob)]
    stage.told.clear()
    assert stage.ask(do="punch", action="set", key="nat4_nat4", value="off", peer=bob.hex())["nat4_nat4"] == "off"
    assert stage.told == [told.PeerPunchAsked(bob, None, "off")]


@pytest.mark.parametrize(
    ("key", "value"), [("max_pps", 0), ("max_pps", "many"), ("nat3_nat4", "sometimes"), ("nose", 1), (None, None)]
)
def test_what_is_no_setting_is_refused(stage: Stage, key: str | None, value: object) -> None:
    with pytest.raises(UsageError):
        stage.ask(do="punch", action="set", key=key, value=value)
    assert stage.told == []


def test_ceilings_are_for_all_peers(stage: Stage) -> None:
    bob = stage.village.nodes["bob"].node.id
    with pytest.raises(UsageError):
        stage.ask(do="punch", action="set", key="max_pps", value=50, peer=bob.hex())


def test_an_open_host_that_nobody_measures_is_settled_at_once() -> None:
    assert _is_settled(Nat(type="open"), 0.0)
    assert not _is_settled(Nat(), 0.0)
    assert not _is_settled(Nat(type="open", age_s=9.0), 1.0)
