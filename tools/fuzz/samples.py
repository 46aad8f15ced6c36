"""Valid inputs of every parser."""

from __future__ import annotations

import random

from msgspec import structs

from overlay.gossip.facts import NoPeers, SelfChanged
from overlay.gossip.gossip import Gossip
from overlay.gossip.record import RecordEndpoint, RecordLink
from overlay.gossip.records import SIGNATURE, Body
from overlay.identity import Identity, NetworkKeys, network_keys
from overlay.session.layout import Payload
from overlay.values import Label
from overlay.wire import messages as m
from overlay.wire.codec import encode_message, pack, unpack
from overlay.wire.frame import CONTROL, DATA, HEADER_SIZE, Header, cut, parity_index
from overlay.wire.parity import parity
from tools.fuzz.said import said

NETWORK: NetworkKeys = network_keys("home", bytes(32))


def identity(number: int) -> Identity:
    """The same for the same number."""
    return Identity(number.to_bytes(32, "little"))


def gossip(number: int) -> Gossip:
    """A room of records, with an address and something to say."""
    room = Gossip(
        identity=identity(number),
        network=NETWORK,
        name=f"node-{number}",
        fixed_ipv4=None,
        remembered_ipv4=None,
        version="0.1.0",
        relay=True,
        boot=bytes(8),
        sequence=number,
        entropy=random.Random(number),
        now=0.0,
    )
    room.tell(NoPeers(), now=0.0)
    endpoints = (RecordEndpoint("192.0.2.7:27182", "public"), RecordEndpoint("[2001:db8::7]:27182", "local"))
    room.tell(SelfChanged(endpoints, (RecordLink(identity(number + 1).id, 9),), relay=True), now=0.0)
    return room


def records() -> list[bytes]:
    """Signed records of three members."""
    return [gossip(number).own_signed for number in (1, 2, 3)]


def record_bodies() -> list[bytes]:
    """Later records of the first member, unsigned."""
    body = unpack(records()[0][SIGNATURE:], Body)
    return [pack(structs.replace(body, sequence=1000 * k, name=f"later-{k}")) for k in (1, 2, 2**40)]


def messages() -> list[bytes]:
    """One control message of every kind, and padded ones."""
    one, two = identity(1).id, identity(2).id
    rows: list[m.Message] = [
        m.Ping(7, bytes(8)),
        m.Pong(7, bytes(8)),
        m.Challenge(b"challeng"),
        m.Answer(b"challeng"),
        m.Carried(one, two, bytes(40), 8),
        m.OpenCircuit(1, one, two, 77, 8),
        m.OpenCircuit(2, one, identity(4).id, 79, 6, (two,)),
        m.CircuitOpened(1, 78),
        m.CircuitOpened(2, 80, (two, identity(3).id)),
        m.CircuitRefused(1, "off"),
        m.CircuitGone(78),
        m.Buckets([2**40] * 256),
        m.Buckets([3] + [0] * 255),
        m.Have([(one, 5), (two, 2**40)]),
        m.Want([one, two]),
        m.Records(records()),
        m.Report(2**40, 3, 2**33),
        m.Rekey(bytes(96)),
        m.Rekeyed(bytes(96)),
        m.Leave(),
        *(m.Signal(signal) for signal in said()),
        m.Heard(one, "198.51.100.7"),
        m.Parting(1),
        m.Unheard([(one, 5), (two, 2**40)]),
    ]
    return [encode_message(row) for row in rows] + [encode_message(row, size=1168) for row in rows[2:4]]


def payloads() -> list[bytes]:
    """What a handshake carries."""
    ciphers = ["aes256gcm", "chacha20poly1305"]
    seen = ("192.0.2.7:27182", None, "[2001:db8::7]:27182")
    return [
        Payload(identity(k).id, 0, k, ciphers, 7, seen[k - 1], record).pack() for k, record in enumerate(records(), 1)
    ]


def slices() -> list[bytes]:
    """Frames of envelopes in one and in several slices, with parity slices and without."""
    frames = cut(CONTROL, Label(5), 0, 9, bytes(100), 1200)
    for counter, size in ((1, 30), (2, 4000), (3, 9000)):
        frames += cut(DATA, Label(5), 0, counter, bytes(range(256)) * (size // 256 + 1), 1200)
    for counter, count, k in ((4, 1, 1), (5, 9, 2), (6, 16, 8)):
        body = bytes(range(100)) * count
        made = parity(body, 100, k)
        frames += cut(DATA, Label(5), 0, counter, body, 100 + HEADER_SIZE)[1:]
        frames += [
            Header(DATA, parity_index(k, number), count, 0, Label(5), counter).pack() + made[number * 100 :][:100]
            for number in range(k)
        ]
    return frames


CONFIGS = [
    b"""network = "home"
secret_file = "/etc/overlay/home.secret"
peers = ["vps.example:27182", "[2001:db8::1]:5"]
[node]
name = "laptop"
ip = ""
port = 27182
mtu = 1380
tun = true
advertise = ["192.0.2.1:5"]
[punch]
enabled = true
nat3_nat4 = "auto"
max_pps = 100
[relay]
enabled = false
max_mbit = 10
""",
    b'network = \'a\'\nsecret = """x\ny"""\nnode = {name = "b", port = 1}\nlan.enabled = false\n',
    b"# only a comment\r\n[stun]\r\nservers = [\r\n  'stun.example',\r\n]\r\nserve = 'off'\r\n",
]

REQUESTS = [
    b'{"do":"status"}',
    b'{"do":"leave"}',
    b'{"do":"ping","peer":"' + b"0123456789abcdef" * 4 + b'","count":4,"interval":0.5}',
]

ADDRESSES = [
    b"192.0.2.1:27182",
    b"[2001:db8::1]:5",
    b"[fe80::1%eth0]:65535",
    b"vps.example",
    b"vps.example:1",
    b"udp://[::1]:9",
    b"udp://host",
    b"2001:db8::1",
]
