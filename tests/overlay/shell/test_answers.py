"""What commands ask of a running node: answered from its rooms, told to its engine at once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from overlay.errors import NoReply, NoSuchPeer, UsageError
from overlay.node import facts as told
from overlay.node.core import Node
from overlay.node.events import Traced
from overlay.node.snapshot import Hop, Nat, Snapshot
from overlay.shell import answers as module
from overlay.shell.answers import FIRST_CHANGES, Answers, _is_settled
from overlay.shell.loop import Loop
from overlay.shell.words import Line
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
    assert set(reply) == {"text", "fix", "attempts", "ways", "relays", "far"}
    assert reply["attempts"]
    (relay,) = reply["relays"]
    assert (relay["name"], relay["state"], relay["via"]) == ("vps", "carries", ["vps"])
    assert reply["ways"][0]["via"] == ["vps"]
    assert reply["ways"][0]["state"] == "used"
    with pytest.raises(NoSuchPeer):
        stage.ask(do="why", peer="00" * 32)


def test_a_person_asks_for_a_direct_way(stage: Stage) -> None:
    bob = stage.village.nodes["bob"].node.id
    assert stage.ask(do="direct", peer=bob.hex()) == {"ok": True}
    assert stage.told == [told.DirectAsked(bob)]
    assert stage.ask(do="wake", peer=bob.hex()) == {"ok": True}
    assert stage.told[1:] == [told.PingAsked(bob, 1)]


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


HOP = Hop(name="bob", endpoint=None, rtt_ms=1.5, loss=0.0)


def answers_of(stage: Stage) -> Answers:
    return Answers(cast(Loop, stage), lambda: None, asyncio.Event())


def test_a_trace_is_asked_of_the_node_and_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = stage.village.nodes["bob"].node.id
    monkeypatch.setattr(stage, "tell", stage.told.append)

    async def run() -> list[Any]:
        answers = answers_of(stage)
        asking = asyncio.ensure_future(anext(answers.answer({"do": "trace", "peer": bob.hex()})))
        await asyncio.sleep(0)
        answers.heard(Traced(bob, 77, ()))
        answers.heard(Traced(bob, 1, (HOP,)))
        answers.heard(Traced(bob, 1, ()))
        return [await asking]

    (reply,) = asyncio.run(run())
    assert reply == {"hops": [{"name": "bob", "endpoint": None, "rtt_ms": 1.5, "loss": 0.0}]}
    assert stage.told == [told.TraceAsked(bob, 1)]


def test_a_trace_without_end_is_no_reply(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = stage.village.nodes["bob"].node.id
    monkeypatch.setattr(stage, "tell", stage.told.append)
    monkeypatch.setattr(module, "TRACED_WITHIN", 0.01)
    with pytest.raises(NoReply):
        stage.ask(do="trace", peer=bob.hex())
    with pytest.raises(NoSuchPeer):
        stage.ask(do="trace", peer="00" * 32)


def test_who_watches_hears_of_a_change_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCHED_EVERY", 30.0)
    monkeypatch.setattr(module, "WATCHED_LEAST", 0.01)

    async def run() -> list[dict[str, Any]]:
        answers = answers_of(stage)
        for number in range(FIRST_CHANGES + 5):
            answers.said(Line("path", f"line {number}", "bob"))
        watching = answers.answer({"do": "watch"})
        first = await anext(watching)
        asking = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(0)
        answers.said(Line("peer_gone", "bob left", "bob"))
        second = await asyncio.wait_for(asking, 5.0)
        await watching.aclose()  # type: ignore[attr-defined]
        assert answers._bells == []
        return [first, second]

    first, second = asyncio.run(run())
    assert [each["text"] for each in first["changes"]] == [f"line {number}" for number in range(5, FIRST_CHANGES + 5)]
    assert {"schema", "self", "peers", "problems"} < set(first)
    (change,) = second["changes"]
    assert (change["event"], change["text"], change["peer"]) == ("peer_gone", "bob left", "bob")
    assert change["at"][10] == "T"


def test_who_watches_sees_it_anew_where_nothing_changes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCHED_EVERY", 0.02)
    monkeypatch.setattr(module, "WATCHED_LEAST", 0.01)

    async def run() -> int:
        count = 0
        async for reply in answers_of(stage).answer({"do": "watch"}):
            assert reply["changes"] == []
            count += 1
            if count == 3:
                break
        return count

    assert asyncio.run(run()) == 3


def test_a_ping_that_is_not_answered_is_traffic_that_a_path_may_have_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = stage.village.nodes["bob"].node.id
    monkeypatch.setattr(stage, "tell", stage.told.append)
    monkeypatch.setattr(module, "PING_AGAIN", 0.01)
    monkeypatch.setattr(module, "PONG_WITHIN", 0.1)

    async def run() -> list[dict[str, Any]]:
        return [each async for each in answers_of(stage).answer({"do": "ping", "peer": bob.hex(), "count": 1})]

    pong, total = asyncio.run(run())
    assert (pong["rtt_ms"], total) == (None, {"sent": 1, "received": 0})
    asked, *pulses = stage.told
    assert asked == told.PingAsked(bob, 1)
    assert len(pulses) >= 2
    assert all(isinstance(each, told.Pulsed) and each.pulses[0].peer == bob for each in pulses)
