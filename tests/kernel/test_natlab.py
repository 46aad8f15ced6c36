"""Real NATs, of netfilter and of punch.sim's models on a TUN: what simulation and kernel say of each is the same."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import time
from collections.abc import Iterator

import pytest
from msgspec import structs

from overlay.lab import Lab, load_scenario
from overlay.lab.scenario import Router, Scenario
from punch.sim import Datagram, NatModel
from punch.values import Endpoint, udp
from tests.punch.sim.hosts import Listener
from tools.natlab import COMMAND
from tools.natlab.virtual import build

VPS, VPS2, ANNA = "198.51.100.10", "198.51.100.11", "192.168.1.2"
PORTS = (7000, 7001)

REFLECT = """
import select, socket
socks = []
for port in (7000, 7001):
    s = socket.socket(2, 2); s.bind(("0.0.0.0", port)); socks.append(s)
print("reflecting", flush=True)
while True:
    for s in select.select(socks, [], [])[0]:
        data, source = s.recvfrom(2000)
        socks[data[0] % 2].sendto(repr(source).encode(), source)
"""

ASK = """
import json, socket, sys
plan = json.loads(sys.argv[1]); socks = {}; seen = []
for local, host, port, answer_from in plan:
    if local not in socks:
        s = socks[local] = socket.socket(2, 2); s.bind(("0.0.0.0", local)); s.settimeout(0.5)
    s = socks[local]
    s.sendto(bytes([answer_from]), (host, port))
    try:
        seen.append(eval(s.recvfrom(2000)[0])[:2])
    except TimeoutError:
        seen.append(None)
print(json.dumps(seen))
"""

Plan = list[tuple[int, str, int, int]]
"""Local port, host and port asked, and from which of the two ports (0, 1) the answer comes."""


@contextlib.contextmanager
def scene(router: Router) -> Iterator[Lab]:
    """nat3-nat3 with another router for anna, and reflectors on both public hosts."""
    with Lab(scenario(router), userspace_nat=COMMAND) as lab:
        for host in ("vps", "vps2"):
            lab.spawn(host, [sys.executable, "-c", REFLECT]).wait_for("reflecting")
        yield lab


def scenario(router: Router) -> Scenario:
    base = load_scenario("nat3-nat3")
    links, outside = base.routers["router-a"].links, "internet"
    mine = structs.replace(router, links=links, outside=outside)
    return structs.replace(base, routers={**base.routers, "router-a": mine})


def ask(lab: Lab, plan: Plan) -> list[tuple[str, int] | None]:
    said = lab.run("anna", [sys.executable, "-c", ASK, json.dumps(plan)]).stdout
    return [tuple(each) if each else None for each in json.loads(said)]


def ports(seen: list[tuple[str, int] | None]) -> list[int]:
    assert all(seen)
    return [each[1] for each in seen if each]


def router(userspace: str | NatModel = "", **words: object) -> Router:
    return Router(links={}, outside="", userspace=userspace, **words)  # type: ignore[arg-type]


MAPPING: Plan = [(5000, VPS, 7000, 0), (5000, VPS, 7001, 1), (5000, VPS2, 7000, 0), (5000, VPS, 7000, 0)]
FRESH: Plan = [(6000 + each, VPS, 7000, 0) for each in range(12)]
EVERYTHING: Plan = [*MAPPING, (5001, VPS, 7000, 1), *FRESH]


def simulated(model: NatModel, plan: Plan, seed: str) -> list[tuple[str, int] | None]:
    """The same plan in virtual time."""
    anna = Asker()
    hosts: dict[str, Listener] = {"vps": Reflector(), "vps2": Reflector(), "anna": anna, "ben": Listener()}
    world, _ = build(scenario(router(model)), hosts, seed=seed)
    seen: list[tuple[str, int] | None] = []
    for local, host, port, answer_from in plan:
        anna.answers.clear()
        anna.out.append(Datagram(udp(ANNA, local), udp(host, port), bytes([answer_from])))
        world.run_for(0.5)
        seen.append(anna.answers[0] if anna.answers else None)
    return seen


class Reflector(Listener):
    """REFLECT in virtual time."""

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """Tell the source what it looks like."""
        port = PORTS[payload[0] % 2]
        self.out.append(Datagram(udp(to.host, port), source, f"{source.host} {source.port}".encode()))


class Asker(Listener):
    """ASK in virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[str, int]] = []

    def receive(self, payload: bytes, source: Endpoint, *, to: Endpoint, now: float) -> None:
        """Note what a reflector saw."""
        host, port = payload.decode().split()
        self.answers.append((host, int(port)))


def shape(seen: list[tuple[str, int] | None]) -> tuple[object, ...]:
    """What can be told of a NAT from EVERYTHING, ports left out: equal dice are not to be had in both worlds."""
    first, second, third, again = seen[:4]
    fresh = ports(seen[-12:])
    steps = {after - before for before, after in itertools.pairwise(fresh)}
    kept = sum(port == 6000 + place for place, port in enumerate(fresh))
    return (
        first == second,
        first == third,
        first == again,
        seen[4] is None,
        kept > 6,
        steps if len(steps) == 1 else None,
        max(fresh) - min(fresh) < 1024,
        len({seen[0] for seen in seen if seen}),
    )


@pytest.mark.parametrize(
    "kind",
    [
        NatModel(),
        NatModel(filtering="eif", allocator="uniform"),
        NatModel(mapping="adm", filtering="adf", allocator="sequential"),
        NatModel(mapping="apdm", allocator="sequential", step=-1),
        NatModel(mapping="apdm", allocator="block", size=1024),
        NatModel(mapping="apdm", allocator="uniform", parity=True),
    ],
    ids=lambda kind: f"{kind.mapping}-{kind.filtering}-{kind.allocator}",
)
def test_simulation_and_kernel_say_the_same(kind: NatModel) -> None:
    with scene(router(kind)) as lab:
        real = ask(lab, EVERYTHING)
    assert shape(real) == shape(simulated(kind, EVERYTHING, "1"))


@pytest.mark.parametrize(
    "words",
    [
        {"nat": "masquerade"},
        {"nat": "masquerade fully-random"},
        {"nat": "masquerade fully-random", "ports": "40000-40999"},
        {"nat": "sequential", "step": 1},
        {"nat": "sequential", "step": -1},
        {"nat": "sequential", "step": 2},
    ],
    ids=lambda words: "-".join(map(str, words.values())),
)
def test_netfilter_does_what_its_words_are_modelled_as(words: dict[str, object]) -> None:
    netfilter = router(**words)  # type: ignore[arg-type]
    model = netfilter.model()
    assert model is not None
    with scene(netfilter) as lab:
        real = ask(lab, EVERYTHING)
    assert shape(real) == shape(simulated(model, EVERYTHING, "1"))
    assert all(model.low <= port <= model.high or model.allocator == "preserving" for port in ports(real[-12:]))


def test_fully_random_is_uniform() -> None:
    with scene(router(nat="masquerade fully-random")) as lab:
        seen = ports(ask(lab, [(6000 + each, VPS, 7000, 0) for each in range(400)]))
    tally = [sum((port - 1024) // 8064 == eighth for port in seen) for eighth in range(8)]
    assert sum((count - 50) ** 2 / 50 for count in tally) < 24.3, "chi square, 7 degrees of freedom, one in a thousand"


def test_foreign_mappings_advance_netfilters_counter() -> None:
    with scene(router(nat="sequential", foreign=200.0)) as lab:
        began = time.monotonic()
        first, last = ports([*ask(lab, FRESH[:1]), *ask(lab, [*FRESH[1:2]])])
        time.sleep(2.0 - (time.monotonic() - began))
        (late,) = ports(ask(lab, FRESH[2:3]))
    assert 0 < last - first < 4096
    assert 200 < (late - first) % 4096 < 700


@pytest.mark.parametrize("policy", ["drop", "reject", "accept"])
@pytest.mark.parametrize("where", ["netfilter", "userspace"])
def test_an_early_packet_poisons_only_a_nat_that_accepts_it(where: str, policy: str) -> None:
    kind = router(NatModel(input=policy)) if where == "userspace" else router(nat="masquerade", input=policy)  # type: ignore[arg-type]
    early = "import socket; s = socket.socket(2, 2); s.bind(('', 7001)); s.sendto(b'early', ('198.51.100.21', 5000))"
    with Lab(scenario(kind), userspace_nat=COMMAND) as lab:
        reflector = lab.spawn("vps", [sys.executable, "-c", REFLECT])
        reflector.wait_for("reflecting")
        (usual,) = ask(lab, [(5000, VPS, 7000, 0)])
        lab.run("vps2", [sys.executable, "-c", early])
        lab.spawn("vps2", [sys.executable, "-c", REFLECT]).wait_for("reflecting")
        (later,) = ask(lab, [(5000, VPS2, 7001, 1)])
    assert usual == ("198.51.100.21", 5000)
    assert later is not None
    assert (later != usual) == (policy == "accept")


def test_entries_are_counted_in_both() -> None:
    plan: Plan = [(5000, VPS, 7000, 0), (5001, VPS, 7000, 0), (5001, VPS2, 7001, 1)]
    for kind in (router(NatModel()), router(nat="masquerade")):
        with scene(kind) as lab:
            ask(lab, plan)
            time.sleep(0.25)
            entries = lab.entries("router-a")
        assert (entries.alive, entries.by_inside) == (3, {ANNA: 3})
        assert entries.by_destination == {VPS: 2, VPS2: 1}


def test_tcp_and_ping_pass_a_userspace_nat_and_strangers_do_not() -> None:
    serve = (
        "import socket; s = socket.create_server(('', 7002)); print('ready', flush=True)\n"
        "c, a = s.accept(); c.sendall(bytes(300000)); print(a)"
    )
    fetch = (
        "import socket; s = socket.create_connection(('198.51.100.10', 7002)); n = 0\n"
        "while d := s.recv(65536): n += len(d)\n"
        "print(n)"
    )
    with Lab(scenario(router("nat4-uniform")), userspace_nat=COMMAND) as lab:
        server = lab.spawn("vps", [sys.executable, "-c", serve])
        server.wait_for("ready")
        assert lab.run("anna", [sys.executable, "-c", fetch]).stdout.strip() == "300000"
        assert "198.51.100.21" in server.wait_for("198.51")
        assert lab.run("anna", ["ping", "-c2", "-i0.1", "-W1", VPS]).returncode == 0
        assert lab.run("vps", ["ping", "-c1", "-W1", "198.51.100.21"], check=False).returncode == 1


def test_hosts_behind_one_userspace_nat_meet_by_its_hairpin() -> None:
    base = scenario(router("nat3-hairpin"))
    home = structs.replace(base.hosts["ben"], links={"home-a": ("192.168.1.3",)}, gateway="router-a")
    both = structs.replace(base, hosts={**base.hosts, "ben": home})
    meet = (
        "import socket; s = socket.socket(2, 2); s.bind(('', {own})); s.settimeout(0.2)\n"
        "for _ in range(10):\n"
        "    s.sendto(b'x', ('198.51.100.21', {other}))\n"
        "    try: print(s.recvfrom(9)[1]); s.sendto(b'x', ('198.51.100.21', {other})); break\n"
        "    except TimeoutError: pass\n"
    )
    with Lab(both, userspace_nat=COMMAND) as lab:
        ben = lab.spawn("ben", [sys.executable, "-u", "-c", meet.format(own=5002, other=5001)])
        said = lab.run("anna", [sys.executable, "-c", meet.format(own=5001, other=5002)]).stdout
        assert said.strip() == "('198.51.100.21', 5002)"
        ben.wait_for("('198.51.100.21', 5001)")


def test_a_low_ttl_opens_a_userspace_nat_as_it_does_a_real_one() -> None:
    send = "import socket; s = socket.socket(2, 2); s.setsockopt(0, 2, {ttl}); s.sendto(b'x', ('198.51.100.10', 7000))"
    for kind in (router(NatModel()), router(nat="masquerade")):
        with scene(kind) as lab:
            opened = []
            for ttl in (1, 2):
                lab.run("anna", [sys.executable, "-c", send.format(ttl=ttl)])
                time.sleep(0.25)
                opened.append(lab.entries("router-a").alive)
        assert opened == [0, 1]


@pytest.mark.parametrize("ttl", [2, 64])
def test_an_opening_poisons_the_other_nat_only_if_it_gets_there(ttl: int) -> None:
    """Nat-science section 5.4: a hole opened with a low TTL leaves the poisonable side's port alone."""
    opening = f"import socket; s = socket.socket(2, 2); s.setsockopt(0, 2, {ttl}); s.bind(('', 6000))\n"
    opening += "s.sendto(b'x', ('198.51.100.21', 5000))"
    knock = "import socket; s = socket.socket(2, 2); s.bind(('', 5000)); s.sendto(b'x', ('203.0.113.22', {port}))"
    with Lab("poisonable") as lab:
        lab.run("ben", [sys.executable, "-c", opening])
        (line,) = [line for line in table(lab, "router-b") if "dst=198.51.100.21" in line]
        hole = int(line.rsplit("dport=", 1)[1].split()[0])
        assert 40960 <= hole <= 41471
        lab.run("anna", [sys.executable, "-c", knock.format(port=hole)])
        (mine,) = [line for line in table(lab, "router-a") if "src=192.168.1.2" in line]
        outside = int(mine.rsplit("dport=", 1)[1].split()[0])
        through = any("dst=198.51.100.21" in line and "UNREPLIED" not in line for line in table(lab, "router-b"))
    assert (outside == 5000) == (ttl == 2)
    assert through == (ttl == 2)


def table(lab: Lab, box: str) -> list[str]:
    return [line for line in lab.run(box, ["cat", "/proc/net/nf_conntrack"]).stdout.splitlines() if " udp " in line]
