"""The table of targets: a row a parser."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache, partial
from pathlib import Path

import msgspec

import punch.probe
import punch.stun
from overlay.config.address import parse_addr
from overlay.config.loader import Sources, load
from overlay.control import protocol
from overlay.errors import OverlayError, UsageError
from overlay.gossip.records import decode, is_signed
from overlay.lab.scenario import parse_scenario
from overlay.session.layout import BadFrame, parse, unpack_payload
from overlay.wire import frame
from overlay.wire.codec import Malformed, decode_message, encode_message, pack
from punch.signals import plain, read
from punch.stun import StunError
from punch.values import parse_endpoint
from tools.fuzz import captures, engines, knocks, machines, packets, said, samples, twist, wholes
from tools.fuzz.target import Feed, Target, refusing


def message(data: bytes) -> None:
    """What decodes also encodes, to something that decodes to the same."""
    decoded = decode_message(data)
    assert decode_message(encode_message(decoded)) == decoded


def header(data: bytes) -> None:
    """What parses also packs, to the same bytes."""
    piece = frame.parse(data)
    if piece is not None:
        assert piece.header.pack() + bytes(piece.body) == data
        index, count = piece.header.index, piece.header.count
        assert index < count <= frame.MAX_SLICES or frame.is_parity(index, count)


def record(data: bytes) -> None:
    """A changed record is malformed or forged, never believed."""
    if not is_signed(data, decode(data, samples.NETWORK.name), samples.NETWORK.name):
        return
    assert data in GENUINE


LABS = Path(__file__).parents[2] / "configs" / "lab"
GENUINE = samples.records()


def endpoint(data: bytes) -> None:
    """What reads as an endpoint prints as one that reads the same."""
    parsed = parse_endpoint(data.decode(errors="surrogateescape"))
    assert parse_endpoint(str(parsed)) == parsed


def address(data: bytes) -> None:
    """What reads as an ADDR prints as one that reads the same."""
    parsed = parse_addr(data.decode(errors="surrogateescape"))
    assert parse_addr(str(parsed)) == parsed


@cache
def scratch() -> Path:
    """A folder in memory that goes with the process."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = tempfile.mkdtemp(prefix="overlay-fuzz-", dir=memory)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def config_room() -> Feed:
    """A file is read whole; its faults are listed, and only then refused."""
    file = scratch() / "node.toml"

    def feed(data: bytes) -> None:
        file.write_bytes(data)
        loaded = load(Sources(file=file))
        if loaded.faults:
            try:
                loaded.check()
            except UsageError:
                return
            raise AssertionError("faults were found and not told")

    return feed


def control_room() -> Feed:
    """Lines as they come, and the request on each."""
    lines = protocol.Lines(protocol.LONGEST_REQUEST)

    def feed(data: bytes) -> None:
        lines.feed(data + b"\n")
        while (line := lines.take()) is not None:
            try:
                request = protocol.request(line)
            except OverlayError:
                continue
            assert protocol.request(protocol.encode(request)) == request

    return feed


def handshake(data: bytes) -> None:
    """A frame of types 4 and 5."""
    parse(data, samples.NETWORK.mac_key)


def stun_message(data: bytes) -> None:
    """What parses also packs, unless it holds what we never send, to something that parses to the same."""
    message = punch.stun.parse(data)
    again = msgspec.structs.replace(message, strange=())
    if len(again.reason) < 100 and len(again.software) < 100:
        assert punch.stun.parse(punch.stun.pack(again)) == again


def probe(data: bytes) -> None:
    """What is read as a probe is written as the same bytes, but for the MAC."""
    read = punch.probe.peek(data)
    if isinstance(read, punch.probe.Probe):
        assert punch.probe.encode(read, bytes(32))[:-16] == data[:-16]
        punch.probe.verify(data, bytes(32))


def signal(data: bytes) -> None:
    """What reads as a signal is said as one that reads the same, over msgpack and over JSON."""
    signal = said.heard(data)
    assert said.heard(pack(plain(signal))) == signal
    assert read(json.loads(msgspec.json.encode(plain(signal)))) == signal


def sealed() -> list[bytes]:
    """What is in envelopes."""
    return [*samples.messages(), *packets.envelopes()]


def guests() -> list[bytes]:
    """What a peer turned bad may send."""
    return [*said.signals(), *said.probes(), *said.probes(), *said.stun_messages()]


def scenarios() -> list[bytes]:
    """The labs of this repository."""
    return [file.read_bytes() for file in sorted(LABS.glob("*.toml"))]


def scenario(data: bytes) -> None:
    """A lab's file; a NAT in it makes a model that its faults were found of."""
    made = parse_scenario(data.decode(errors="replace"), origin="input")
    for router in made.routers.values():
        assert (model := router.model()) is None or not model.faults()


MESSAGE = twist.twist_packed(samples.messages)
GUEST = twist.twist_packed(said.signals, fits=engines.is_signal)

ROWS = (
    Target("message", samples.messages, refusing(message, Malformed), polish=MESSAGE),
    Target("payload", samples.payloads, refusing(unpack_payload, Malformed)),
    Target("header", samples.slices, refusing(header)),
    Target("handshake", machines.handshake_frames, refusing(handshake, BadFrame), polish=machines.with_mac),
    Target("record", samples.records, refusing(record, Malformed)),
    Target("endpoint", lambda: samples.ADDRESSES, refusing(endpoint, ValueError)),
    Target("address", lambda: samples.ADDRESSES, refusing(address, UsageError)),
    Target("control", lambda: samples.REQUESTS, control_room),
    Target("config", lambda: samples.CONFIGS, config_room),
    Target("reassembly", samples.slices, machines.reassembly_room),
    Target("gossip", samples.messages, machines.gossip_room, polish=MESSAGE),
    Target("signed", samples.record_bodies, machines.signed_room),
    Target("sessions", machines.handshake_frames, machines.sessions_room, polish=machines.with_mac),
    Target("check", packets.records, refusing(wholes.check_record)),
    Target("segment", packets.records, refusing(wholes.fit_record)),
    Target("envelope", packets.envelopes, wholes.plane_room),
    Target("slices", samples.slices, wholes.slices_room),
    Target("node", machines.first_frames, wholes.node_room, polish=machines.with_mac),
    Target("member", samples.messages, wholes.member_room, polish=MESSAGE),
    Target("carrier", samples.messages, machines.carrier_room, polish=MESSAGE),
    Target("beacon", wholes.beacons, wholes.beacon_room, polish=machines.with_mac),
    Target("dissect", captures.captured, captures.dissect_room),
    Target("opened", sealed, lambda: captures.opened_room(scratch() / "keys"), polish=MESSAGE),
    Target("keys", captures.key_files, lambda: captures.keys_room(scratch() / "keys")),
    Target("stun", said.stun_messages, refusing(stun_message, StunError)),
    Target("probe", said.probes, refusing(probe)),
    Target(
        "signal",
        said.signals,
        refusing(signal, Malformed, msgspec.ValidationError),
        polish=twist.twist_packed(said.signals),
    ),
    Target("asker", said.stun_messages, engines.asker_room),
    Target("answerer", said.stun_messages, engines.answerer_room),
    *(Target(f"guest-{kind}", guests, partial(engines.guest_room, kind), polish=GUEST) for kind in engines.NATS),
    Target("knock", said.lines, knocks.knock_room, polish=twist.twist_lines),
    Target("scenario", scenarios, refusing(scenario, UsageError)),
)

TARGETS = {row.name: row for row in ROWS}
"""By name."""
