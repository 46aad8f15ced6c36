from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.config import Sources, load
from overlay.config.keys import FLAGS, LEAVES, ONLY_VARIABLES, TABLES, variable
from overlay.config.schema import Config
from overlay.errors import UsageError
from overlay.identity import ipv4_prefix

TEN_FAULTS = """\
network = "home/x"
secret = "hunter2"
secret_file = "b"
peers = ["ok:1", "bad:99999"]
nmae = 3

[node]
prot = 5
ip = "10.1.2"
port = "x"
mtu = 100
name = "-bad"

[punch]
nat3_nat4 = "atuo"
enabled = "off"

[stun]
serve = 1
servers = "stun.example"

[realy]
enabled = false
"""


def write(folder: Path, text: str, name: str = "n.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_without_sources_there_are_defaults() -> None:
    loaded = load(Sources())
    assert loaded.check() == Config()
    assert set(loaded.origins.values()) == {"default"}


def test_all_faults_of_a_file_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, TEN_FAULTS)
    loaded = load(Sources(file=file))
    assert [(fault.line, fault.key) for fault in loaded.faults] == [
        (1, "network"),
        (3, "secret_file"),
        (4, "peers"),
        (5, "nmae"),
        (8, "node.prot"),
        (9, "node.ip"),
        (10, "node.port"),
        (11, "node.mtu"),
        (12, "node.name"),
        (15, "punch.nat3_nat4"),
        (16, "punch.enabled"),
        (19, "stun.serve"),
        (20, "stun.servers"),
        (22, "realy"),
    ]
    near = {fault.key: fault.nearest for fault in loaded.faults if fault.nearest}
    assert near == {"nmae": "node.name", "node.prot": "node.port", "punch.nat3_nat4": "auto", "realy": "relay"}
    assert all(fault.where == str(file) and fault.expected for fault in loaded.faults)
    with pytest.raises(UsageError) as caught:
        loaded.check()
    assert caught.value.text.count("\n") == len(loaded.faults)
    assert f"{file}:10: node.port" in caught.value.text
    assert "from 1 to 65534" in caught.value.text
    assert "hunter2" not in caught.value.text


def test_the_layers_win_in_order(tmp_path: Path) -> None:
    file = write(tmp_path, '[node]\nport = 1000\nname = "file"\nmtu = 1400\n')
    loaded = load(
        Sources(
            command={"node.port": "3000"}, environ={"OVERLAY_PORT": "2000", "OVERLAY_NAME": "environment"}, file=file
        )
    )
    node = loaded.check().node
    assert (node.port, node.name, node.mtu, node.dev) == (3000, "environment", 1400, "")
    assert loaded.origins["node.port"] == "command line"
    assert loaded.origins["node.name"] == "environment OVERLAY_NAME"
    assert loaded.origins["node.mtu"] == f"{file}:4"
    assert loaded.origins["node.dev"] == "default"


SAID = {
    "network": ("net", "net"),
    "secret": ("s", "s"),
    "secret_file": ("/f", "/f"),
    "peers": ("a,b:5", ("a", "b:5")),
    "node.name": ("me", "me"),
    "node.ip": ("10.64.0.1", "10.64.0.1"),
    "node.port": ("5", 5),
    "node.dev": ("tun9", "tun9"),
    "node.advertise": ("c", ("c",)),
    "node.tun": ("off", False),
    "lan.enabled": ("off", False),
    "relay.enabled": ("off", False),
    "stun.servers": ("d , e", ("d", "e")),
    "punch.enabled": ("off", False),
    "punch.nat3_nat4": ("always", "always"),
    "punch.nat4_nat4": ("auto", "auto"),
}


@pytest.mark.parametrize("key", FLAGS)
def test_every_flag_has_a_key_and_a_variable(key: str) -> None:
    text, value = SAID[key]
    for sources in (Sources(command={key: text}), Sources(environ={variable(FLAGS[key]): text})):
        loaded = load(sources)
        found: object = loaded.check()
        for part in key.split("."):
            found = getattr(found, part)
        assert found == value
        assert loaded.origins[key] != "default"


def test_variables_are_named_after_flags() -> None:
    assert variable("--peer") == "OVERLAY_PEER"
    assert variable("--no-tun") == "OVERLAY_TUN"
    assert variable("--nat3-nat4") == "OVERLAY_NAT3_NAT4"
    assert set(FLAGS) <= set(LEAVES)


def test_a_flag_repeated_is_a_list() -> None:
    assert load(Sources(command={"peers": ("a", "b:1")})).check().peers == ("a", "b:1")


@pytest.mark.parametrize(("text", "value"), [("ON", True), ("1", True), ("yes", True), ("0", False), ("False", False)])
def test_switches_in_the_environment(text: str, value: bool) -> None:
    assert load(Sources(environ={"OVERLAY_RELAY": text})).check().relay.enabled is value


def test_faults_of_flags_and_variables_name_them() -> None:
    loaded = load(
        Sources(
            command={"node.port": "0", "relay.enabled": "maybe", "punch.nat4_nat4": "atuo"},
            environ={"OVERLAY_NAME": "a b", "OVERLAY_PEER": "ok,tcp://x"},
        )
    )
    assert {(fault.where, fault.key) for fault in loaded.faults} == {
        ("command line", "--port"),
        ("command line", "--relay"),
        ("command line", "--nat4-nat4"),
        ("environment", "OVERLAY_NAME"),
        ("environment", "OVERLAY_PEER"),
    }
    assert next(fault for fault in loaded.faults if fault.key == "--relay").expected == "on or off"
    assert next(fault for fault in loaded.faults if fault.key == "--nat4-nat4").nearest == "auto"


def test_an_empty_variable_is_none_but_an_empty_flag_is_a_slip() -> None:
    assert load(Sources(environ={"OVERLAY_SECRET": "", "OVERLAY_NETWORK": ""})).check() == Config()
    assert [fault.key for fault in load(Sources(command={"secret": "", "network": ""})).faults] == [
        "--secret",
        "--network",
    ]


def test_a_secret_unseats_the_secret_file_of_a_lower_layer(tmp_path: Path) -> None:
    file = write(tmp_path, 'secret_file = "s"\n')
    config = load(Sources(file=file, environ={"OVERLAY_SECRET": "x"})).check()
    assert (config.secret, config.secret_file) == ("x", "")
    config = load(Sources(file=write(tmp_path, 'secret = "s"\n'), command={"secret_file": "/x"})).check()
    assert (config.secret, config.secret_file) == ("", "/x")


def test_two_secrets_of_one_layer_are_a_fault() -> None:
    (fault,) = load(Sources(command={"secret": "x", "secret_file": "y"})).faults
    assert fault.key == "--secret-file"


def test_a_secret_is_never_quoted() -> None:
    loaded = load(Sources(command={"secret": "hunter2\udc80"}))
    assert "hunter2" not in str(loaded.faults)
    assert len(loaded.faults) == 1


def test_a_secret_of_a_wrong_type_is_not_quoted_either(tmp_path: Path) -> None:
    (fault,) = load(Sources(file=write(tmp_path, "secret = 12345\n"))).faults
    assert "12345" not in str(fault)


def test_relative_files_count_from_where_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert load(Sources(file=write(tmp_path, 'secret_file = "s"\n'))).check().secret_file == str(tmp_path / "s")
    assert load(Sources(command={"secret_file": "s"})).check().secret_file == "/s"
    assert load(Sources(command={"secret_file": "-"})).check().secret_file == "-"


def test_the_default_file_is_read_if_it_is_there(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "OVERLAY_NETWORK": "home"}
    assert load(Sources(environ=environ, uid=1000)).file is None
    (tmp_path / "overlay").mkdir()
    write(tmp_path / "overlay", "[node]\nport = 7\n", "home.toml")
    loaded = load(Sources(environ=environ, uid=1000))
    assert loaded.file == tmp_path / "overlay/home.toml"
    assert loaded.check().node.port == 7


def test_a_file_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        load(Sources(file=tmp_path / "absent.toml"))
    with pytest.raises(UsageError, match="cannot be read"):
        load(Sources(file=tmp_path))


@pytest.mark.parametrize(
    ("raw", "line"), [(b"a = \nb = 1\n", 1), (b'x = 1\ny = "abc', 2), (b"a = 1\na = 2\n", 2), (b"ok = 1\n\xff = 2", 2)]
)
def test_what_is_not_toml_has_a_line_too(tmp_path: Path, raw: bytes, line: int) -> None:
    file = tmp_path / "n.toml"
    file.write_bytes(raw)
    (fault,) = load(Sources(file=file)).faults
    assert fault.line == line


@pytest.mark.parametrize(
    "text", ["node = 3", "[[node]]\nport = 1", '"node.port" = 3', "[node.port]\nx = 1", "lan = []"]
)
def test_tables_and_values_mixed_up(tmp_path: Path, text: str) -> None:
    assert len(load(Sources(file=write(tmp_path, text + "\n"))).faults) == 1


@pytest.mark.parametrize(
    "value", ["true", "1.5", "1979-05-27", "[1]", "{ a = 1 }", '"1"', "nan", "99999999999999999999"]
)
def test_no_value_of_a_wrong_type_gets_through(tmp_path: Path, value: str) -> None:
    (fault,) = load(Sources(file=write(tmp_path, f"[node]\nport = {value}\n"))).faults
    assert (fault.line, fault.key) == (2, "node.port")


def test_the_overlay_address_must_be_one_of_the_network() -> None:
    prefix = ipv4_prefix("home")
    inside = str(prefix.network_address + 5)
    assert load(Sources(command={"network": "home", "node.ip": inside})).check().node.ip == inside
    for ip in (str(prefix.network_address), str(prefix.broadcast_address), "10.0.0.1", "192.0.2.1"):
        (fault,) = load(Sources(command={"network": "home", "node.ip": ip})).faults
        assert fault.key == "--ip"
        assert str(prefix) in fault.expected


def test_names_come_out_in_nfc() -> None:
    assert load(Sources(command={"network": "cafe\u0301"})).check().network == "caf\u00e9"


def test_nearly_right_variables_are_hinted_at() -> None:
    (hint,) = load(Sources(environ={"OVERLAY_PEERS": "x", "OVERLAY_PEER": "y", "OVERLAY_QQQQQQQQ": "z"})).hints
    assert "OVERLAY_PEERS" in hint
    assert "did you mean OVERLAY_PEER?" in hint
    assert load(Sources(environ=dict.fromkeys(ONLY_VARIABLES, "x"))).hints == []


KEY = st.sampled_from(["network", "peers", "node", "port", "name", "lan", "punch", "secret", "x", "a.b", "\u001b", ""])
TREE = st.dictionaries(
    KEY,
    st.recursive(
        st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5).filter(str.isprintable),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


def toml(value: object) -> str:
    """`value` inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    if isinstance(value, float):
        return repr(value) if "e" not in repr(value) else "0.5"
    return json.dumps(value, ensure_ascii=False)


@given(TREE)
def test_any_toml_at_all_ends_in_a_config_or_in_faults_with_lines(tree: dict[str, object]) -> None:
    text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in tree.items())
    with tempfile.TemporaryDirectory() as folder:
        loaded = load(Sources(file=write(Path(folder), text)))
    assert all(fault.line and 1 <= fault.line <= len(tree) for fault in loaded.faults)
    assert loaded.faults or all(key in {*LEAVES, *TABLES} for key in tree)


@given(st.binary(max_size=60) | st.sampled_from([b"a=" + b"[" * 5000, b"a=" + b"9" * 5000]))
def test_any_bytes_at_all_end_in_a_config_or_in_faults(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "n.toml"
        file.write_bytes(raw)
        assert all(fault.line for fault in load(Sources(file=file)).faults)


def test_a_fault_never_carries_control_characters(tmp_path: Path) -> None:
    (fault,) = load(Sources(file=write(tmp_path, '"a\\u001b[31m" = 1\n'))).faults
    assert "\x1b" not in str(fault)
