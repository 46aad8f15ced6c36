"""Our STUN service: what it answers, from where, and what it keeps to itself."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from punch import stun
from punch.config import StunConfig
from punch.detect.answer import MOST_PREFIXES, Answerer, prefix_of, touch
from punch.facts import NetworkChanged, SocketClosed, SocketOpened
from punch.signals import Touch
from punch.stun import Message
from punch.values import Endpoint, SocketId, udp

A, B = "203.0.113.1", "203.0.113.2"
CLIENT = udp("198.51.100.7", 40000)
TRANSACTION = bytes(range(12))


def service(*hosts: str, serve: bool = True) -> tuple[Answerer, dict[Endpoint, SocketId]]:
    answerer = Answerer(StunConfig(serve="auto" if serve else "off"), now=0.0)
    ids: dict[Endpoint, SocketId] = {}
    for host in hosts:
        for port in (27182, 27183):
            ids[udp(host, port)] = socket = SocketId(len(ids) + 1)
            answerer.tell(SocketOpened(socket, udp(host, port), role="alternate" if port == 27183 else "main"))
    return answerer, ids


def request(*, ip: bool = False, port: bool = False, fingerprint: bool = False) -> bytes:
    message = Message(kind="request", transaction=TRANSACTION, change_ip=ip, change_port=port, fingerprint=fingerprint)
    return stun.pack(message)


def ask(
    answerer: Answerer, via: SocketId, payload: bytes, source: Endpoint = CLIENT, *, now: float = 0.0
) -> tuple[SocketId, Message] | None:
    commands = answerer.receive(payload, source, via=via, now=now)
    if not commands:
        return None
    (command,) = commands
    assert command.to == source
    return command.via, stun.parse(command.payload)


def told(answerer: Answerer, via: SocketId, payload: bytes, source: Endpoint = CLIENT) -> tuple[SocketId, Message]:
    answer = ask(answerer, via, payload, source)
    assert answer is not None
    return answer


def test_two_addresses_answer_every_test_of_rfc_5780() -> None:
    answerer, ids = service(A, B)
    for local, socket in ids.items():
        elsewhere = udp(B if local.host == A else A, 27182 + 27183 - local.port)
        for ip in (False, True):
            for port in (False, True):
                wanted = udp(elsewhere.host if ip else local.host, elsewhere.port if port else local.port)
                via, answer = told(answerer, socket, request(ip=ip, port=port))
                assert via == ids[wanted]
                assert answer.origin == wanted
                assert answer.other == elsewhere
                assert answer.seen == answer.mapped == CLIENT
                assert answer.transaction == TRANSACTION


def test_one_address_changes_the_port_alone() -> None:
    answerer, ids = service(A)
    main, alternate = ids[udp(A, 27182)], ids[udp(A, 27183)]
    assert told(answerer, main, request(port=True))[0] == alternate
    assert told(answerer, alternate, request(port=True))[0] == main
    via, answer = told(answerer, main, request())
    assert (via, answer.origin, answer.other) == (main, udp(A, 27182), None)
    assert ask(answerer, main, request(ip=True)) is None
    assert ask(answerer, main, request(ip=True, port=True)) is None
    assert answerer.drops["stun_no_second"] == 2


def test_a_private_address_is_no_second_one() -> None:
    answerer, ids = service(A, "192.168.0.5")
    _, answer = told(answerer, ids[udp(A, 27182)], request())
    assert answer.other is None
    assert ask(answerer, ids[udp(A, 27182)], request(ip=True)) is None


def test_families_are_apart() -> None:
    answerer, ids = service(A, "2001:db8::1")
    six = udp("2001:db8:ffff::7", 5)
    _, answer = told(answerer, ids[udp("2001:db8::1", 27182)], request(), six)
    assert (answer.seen, answer.origin, answer.other) == (six, udp("2001:db8::1", 27182), None)


def test_a_wildcard_socket_names_the_only_address_it_can_be() -> None:
    answerer, ids = service("0.0.0.0")
    via = ids[udp("0.0.0.0", 27182)]
    assert told(answerer, via, request())[1].origin is None
    answerer.tell(NetworkChanged("home", ("192.168.0.5", A, "2001:db8::1")))
    assert told(answerer, via, request())[1].origin == udp(A, 27182)
    assert told(answerer, via, request(), udp("192.168.0.9", 7))[1].origin == udp("192.168.0.5", 27182)
    assert told(answerer, via, request(port=True))[0] == ids[udp("0.0.0.0", 27183)]
    answerer.tell(NetworkChanged("home", ("192.168.0.5",)))
    assert told(answerer, via, request())[1].origin is None  # behind a forwarded port: our outside address is unknown


def test_an_attribute_that_must_be_known_is_refused_with_420() -> None:
    answerer, ids = service(A)
    payload = stun.HEADER.pack(0x0001, 8, stun.COOKIE, TRANSACTION) + bytes.fromhex("0024000400000001")
    _, answer = told(answerer, ids[udp(A, 27182)], payload)
    assert (answer.kind, answer.error, answer.unknown) == ("error", 420, (0x0024,))


def test_an_answer_is_small_and_has_a_fingerprint_if_the_question_had() -> None:
    answerer, ids = service(A, B)
    (command,) = answerer.receive(request(fingerprint=True), CLIENT, via=ids[udp(A, 27182)], now=0.0)
    assert stun.parse(command.payload).fingerprint
    assert len(command.payload) <= 92
    assert not told(answerer, ids[udp(A, 27182)], request())[1].fingerprint


@pytest.mark.parametrize("kind", ["response", "error", "indication"])
def test_only_requests_are_answered(kind: stun.Kind) -> None:
    answerer, ids = service(A)
    payload = stun.pack(Message(kind=kind, transaction=TRANSACTION, xor_mapped=CLIENT))
    assert ask(answerer, ids[udp(A, 27182)], payload) is None


def test_switched_off_it_is_silent_and_can_be_switched_on() -> None:
    answerer, ids = service(A, serve=False)
    via = ids[udp(A, 27182)]
    assert ask(answerer, via, request()) is None
    assert answerer.drops["stun_off"] == 1
    answerer.reload(StunConfig())
    assert ask(answerer, via, request()) is not None
    answerer.tell(SocketClosed(via))
    assert ask(answerer, via, request()) is None


def test_a_socket_of_the_engine_answers_nothing() -> None:
    answerer, _ = service(A)
    answerer.tell(SocketOpened(SocketId(9), udp(A, 50000), request=3, role="engine"))
    assert ask(answerer, SocketId(9), request()) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "ff02::1"])
def test_nobody_is_answered_where_nobody_can_be(host: str) -> None:
    answerer, ids = service(A)
    assert ask(answerer, ids[udp(A, 27182)], request(), udp(host, 5)) is None
    assert ask(answerer, ids[udp(A, 27182)], request(), udp(CLIENT.host, 0)) is None


def test_a_prefix_gets_a_hundred_and_then_fifty_a_second() -> None:
    answerer, ids = service(A)
    via = ids[udp(A, 27182)]

    def answers(count: int, now: float, prefix: str = "198.51.100") -> int:
        sources = (udp(f"{prefix}.{n % 250 + 1}", 1000 + n) for n in range(count))
        return sum(ask(answerer, via, request(), source, now=now) is not None for source in sources)

    assert answers(300, 0.0) == 100
    assert answers(300, 1.0) == 50
    assert answers(10, 1.0, "198.51.101") == 10
    assert answerer.drops["stun_limit"] == 450


def test_all_together_get_a_thousand_a_second() -> None:
    answerer, ids = service(A)
    via = ids[udp(A, 27182)]
    sources = [udp(f"10.{n // 250}.{n % 250}.1", 5) for n in range(3000)]
    assert sum(ask(answerer, via, request(), source) is not None for source in sources) == 1000
    assert sum(ask(answerer, via, request(), source, now=0.5) is not None for source in sources) == 500


def test_its_memory_is_bounded() -> None:
    answerer, ids = service(A)
    for n in range(3 * MOST_PREFIXES):
        ask(answerer, ids[udp(A, 27182)], request(), udp(f"{n % 200 + 11}.{n // 200 % 250}.{n // 50000}.9", 5))
    assert len(answerer._prefixes) <= MOST_PREFIXES


def test_prefixes() -> None:
    assert prefix_of("198.51.100.7") == prefix_of("198.51.100.250") != prefix_of("198.51.101.7")
    assert prefix_of("2001:db8:0:1::1") == prefix_of("2001:db8:0:ff::2") != prefix_of("2001:db8:0:100::1")


@given(st.binary(max_size=80))
def test_garbage_is_never_answered(payload: bytes) -> None:
    answerer, ids = service(A)
    via = ids[udp(A, 27182)]
    assert ask(answerer, via, payload) is None
    assert sum(answerer.drops.values()) == 1


def test_mangled_requests_are_answered_or_dropped() -> None:
    answerer, ids = service(A, B)
    dice = random.Random(3)
    for n in range(5000):
        payload = bytearray(request(ip=bool(n & 1), port=bool(n & 2), fingerprint=bool(n & 4)))
        payload[dice.randrange(len(payload))] = dice.randrange(256)
        for command in answerer.receive(bytes(payload), CLIENT, via=ids[udp(A, 27182)], now=float(n)):
            assert command.to == CLIENT


def test_a_touch_goes_to_the_host_that_is_heard_and_nowhere_else() -> None:
    signal = Touch(attempt=0, port=40123, transaction=TRANSACTION)
    sent = touch(signal, host="198.51.100.7", via=SocketId(4))
    assert sent is not None
    assert (sent.to, sent.via) == (udp("198.51.100.7", 40123), SocketId(4))
    assert stun.parse(sent.payload).transaction == TRANSACTION
    assert stun.parse(sent.payload).kind == "response"
    assert len(sent.payload) <= 32
    assert touch(signal, host="127.0.0.1", via=SocketId(4)) is None


def asked(port: int = 4000) -> Touch:
    return Touch(attempt=1, port=port, transaction=TRANSACTION)


def test_touches_share_the_limits_of_answers() -> None:
    answerer, ids = service(A)
    via = ids[udp(A, 27182)]
    touched = sum(len(answerer.touch(asked(), host=CLIENT.host, via=via, now=0.0)) for _ in range(1000))
    assert touched == 100
    assert answerer.drops["stun_limit"] == 900
    assert ask(answerer, via, request()) is None
    assert len(answerer.touch(asked(), host="192.0.2.7", via=via, now=0.0)) == 1


def test_no_service_no_touch_and_none_to_a_port_of_the_system() -> None:
    answerer, ids = service(A)
    via = ids[udp(A, 27182)]
    for port in (1, 53, 1023):
        assert touch(asked(port), host=CLIENT.host, via=via) is None
        assert answerer.touch(asked(port), host=CLIENT.host, via=via, now=0.0) == []
    assert answerer.drops["stun_source"] == 3
    answerer.reload(StunConfig(serve="off"))
    assert answerer.touch(asked(), host=CLIENT.host, via=via, now=0.0) == []
    assert answerer.drops["stun_off"] == 1
