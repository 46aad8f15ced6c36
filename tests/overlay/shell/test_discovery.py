"""Which links a host speaks on, and by which of its addresses."""

from __future__ import annotations

import asyncio
import socket

import pytest

from overlay.shell.discovery import GROUP4, GROUP6, MOST_LINKS, PORT, Discovery, links_of
from punch.values import Endpoint


@pytest.fixture(autouse=True)
def interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """eth0 is 2, eth1 is 3; others are gone."""

    def index(name: str) -> int:
        if name.startswith("eth"):
            return 2 + int(name[3:])
        raise OSError("no such device")

    monkeypatch.setattr(socket, "if_nametoindex", index)


def test_one_address_a_family_and_link_and_a_local_one_only_where_there_is_no_other() -> None:
    links = links_of(
        (
            ("192.0.2.1", 24, "eth0"),
            ("192.0.2.9", 24, "eth0"),
            ("fe80::1", 64, "eth0"),
            ("2001:db8::1", 64, "eth0"),
            ("fe80::2", 64, "eth1"),
            ("198.51.100.1", 24, "gone0"),
        )
    )
    assert links == [
        (2, socket.inet_aton("192.0.2.1")),
        (2, socket.inet_pton(socket.AF_INET6, "2001:db8::1")),
        (3, socket.inet_pton(socket.AF_INET6, "fe80::2")),
    ]


def test_links_are_bounded() -> None:
    assert len(links_of(tuple((f"10.0.{k}.1", 24, f"eth{k}") for k in range(100)))) == MOST_LINKS


def test_nothing_is_said_until_it_is_switched_on_nor_after_it_is_off() -> None:
    async def run() -> list[Endpoint]:
        said: list[Endpoint] = []
        discovery = Discovery(lambda to, payload, control: said.append(to), lambda fact: None)
        addresses = (("192.0.2.1", 24, "eth900"), ("2001:db8::1", 64, "eth900"))
        discovery.know(addresses)
        discovery.send(bytes(32))
        assert not said
        discovery.switch(True, addresses)
        discovery.send(bytes(32))
        discovery.switch(False, addresses)
        discovery.send(bytes(32))
        discovery.close()
        return said

    assert asyncio.run(run()) == [Endpoint("udp", GROUP4, PORT), Endpoint("udp", f"{GROUP6}%902", PORT)]
