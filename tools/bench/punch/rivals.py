"""The compiled peers a person names, on the same three hosts, judged from outside.

A path is direct once pings are answered and vps hears (nearly) nothing of them any more; packets are the datagrams
that anna and ben sent to others than vps up to then. So the same ruler lies on everybody who has no status of ours.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from overlay.lab import Lab, Process
from tools.bench.punch.rows import Row
from tools.bench.punch.trial import SETTLE, Contender, Trial
from tools.bench.punch.watch import Watch, first_reply, unanswered, vps_bytes
from tools.natlab import COMMAND

INSIDE = {"vps": "10.99.0.3", "anna": "10.99.0.1", "ben": "10.99.0.2"}
WINDOW = 0.5
"""Seconds over which vps is listened to."""
PING_BYTES = 1000
"""Payload of each ping, ten a second: a relay hears 5 kB in a window, keepalives are far below."""
QUIET = 2500
"""Bytes in a window that say a relay carries no more."""
START_WITHIN = 30


class EasyTier:
    """easytier-core: vps listens, anna and ben dial it."""

    name = "EasyTier"

    def __init__(self, binary: str) -> None:
        self._binary = binary

    @contextmanager
    def joined(self, lab: Lab, row: Row) -> Iterator[str]:
        """All three up."""
        common = [self._binary, "--network-name", "bench", "--network-secret", "bench", "--dev-name", "et0"]
        vps = f"udp://{lab.address('vps', 'internet')}:11010"
        for host in INSIDE:
            argv = [*common, "-i", INSIDE[host], "-l", "udp://0.0.0.0:11010"]
            lab.spawn(host, argv if host == "vps" else [*argv, "-p", vps])
        yield INSIDE["ben"]


class Nebula:
    """nebula (`nebula-cert` beside it): vps is lighthouse and relay, punching is on."""

    name = "nebula"

    def __init__(self, binary: str) -> None:
        self._binary = binary
        self._cert = f"{binary}-cert"

    @contextmanager
    def joined(self, lab: Lab, row: Row) -> Iterator[str]:
        """All three up, with certificates made for the run."""
        folder = lab.folder("vps")
        made = ["-out-crt", f"{folder}/ca.crt", "-out-key", f"{folder}/ca.key"]
        lab.run("vps", [self._cert, "ca", "-name", "bench", *made])
        for host, address in INSIDE.items():
            ca = ["-ca-crt", f"{folder}/ca.crt", "-ca-key", f"{folder}/ca.key"]
            files = ["-out-crt", f"{folder}/{host}.crt", "-out-key", f"{folder}/{host}.key"]
            lab.run("vps", [self._cert, "sign", *ca, "-name", host, "-ip", f"{address}/24", *files])
            config = folder / f"{host}.yml"
            config.write_text(json.dumps(self._config(lab, host)))
            lab.spawn(host, [self._binary, "-config", str(config)])
        yield INSIDE["ben"]

    @staticmethod
    def _config(lab: Lab, host: str) -> dict[str, object]:
        """nebula reads YAML, of which JSON is a part."""
        folder, lighthouse = lab.folder("vps"), host == "vps"
        anyone = [{"port": "any", "proto": "any", "host": "any"}]
        known = {} if lighthouse else {INSIDE["vps"]: [f"{lab.address('vps', 'internet')}:4242"]}
        return {
            "pki": {"ca": f"{folder}/ca.crt", "cert": f"{folder}/{host}.crt", "key": f"{folder}/{host}.key"},
            "static_host_map": known,
            "lighthouse": {"am_lighthouse": lighthouse, "hosts": [] if lighthouse else [INSIDE["vps"]]},
            "listen": {"host": "0.0.0.0", "port": 4242},
            "punchy": {"punch": True, "respond": True},
            "relay": {"am_relay": lighthouse, "use_relays": True, "relays": [] if lighthouse else [INSIDE["vps"]]},
            "tun": {"dev": "nebula1"},
            "logging": {"level": "error"},
            "firewall": {"outbound": anyone, "inbound": anyone},
        }


def run(contender: Contender, row: Row, seed: int) -> Trial:
    """One run of `row`, judged by what passes vps; `seed`: of what is random in the scene."""
    with Lab(row.scenario, userspace_nat=COMMAND, seed=seed) as lab:
        watch = Watch(lab)
        with contender.joined(lab, row) as address:
            time.sleep(SETTLE)
            before = watch.datagrams()
            ping = lab.spawn("anna", ["ping", "-n", "-D", "-i", "0.1", "-s", str(PING_BYTES), address])
            seconds = _seconds_to_direct(lab, ping, row.patience)
            packets = watch.datagrams()
            entries = watch.entries()
            ping.send(signal.SIGINT)
            ping.wait()
            lost = unanswered(ping)
    return Trial(
        success=seconds is not None,
        seconds=seconds,
        packets=packets - before,
        in_all=packets,
        entries=entries,
        lost=lost,
        said="" if seconds is not None else "vps still carries, or nothing does",
    )


def _seconds_to_direct(lab: Lab, ping: Process, patience: float) -> float | None:
    """From the first answered ping to the beginning of the window in which vps was quiet, or None."""
    until = time.monotonic() + START_WITHIN
    while (began := first_reply(ping)) is None and time.monotonic() < until:
        time.sleep(0.05)
    if began is None:
        return None
    until = time.monotonic() + patience
    while time.monotonic() < until:
        window, heard, answers = time.time(), vps_bytes(lab), ping.out.count("bytes from")
        time.sleep(WINDOW)
        if vps_bytes(lab) - heard < QUIET and ping.out.count("bytes from") - answers >= 3:
            return max(0.0, window - began)
    return None
