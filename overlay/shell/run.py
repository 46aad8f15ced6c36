"""`join`: start a node, obey it until somebody ends it, leave politely."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import signal
import socket
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread

from overlay import __version__
from overlay.config.launch import Launch
from overlay.config.schema import Config
from overlay.control.server import ControlSocket
from overlay.dataplane.turns import TurnsLoop
from overlay.errors import OverlayError
from overlay.identity import Identity, NetworkKeys, network_keys
from overlay.node import events as happened
from overlay.node import facts as told
from overlay.node.core import Node
from overlay.node.setup import Setup
from overlay.shell.addresses import Addresses, open_bell, read_addresses, silence_bell
from overlay.shell.answers import Answers
from overlay.shell.discovery import Discovery
from overlay.shell.hardware import best_ciphers
from overlay.shell.keylog import KeyLog
from overlay.shell.loop import Loop, clock
from overlay.shell.names import advertised, own_label
from overlay.shell.storage import Memory, Storage
from overlay.shell.stretching import Stretching
from overlay.shell.wiring import Wires
from overlay.shell.words import Journal, Line, address_words
from punch.driver.network import gateway

BELL_WAIT, BELL_VAIN = 0.02, 0.2
"""Seconds after the bell until addresses are read: changes come in flocks; and when nothing had changed at the last."""
BARE_WAIT = 0.2
"""Seconds that a host without any address is given to get another: it comes with the next change of the flock."""
OVERDUE_EVERY = 5.0
"""Seconds between two looks at what was held back; it waits a minute anyway."""
FAREWELL = 0.02
"""Seconds the last datagrams get before sockets close."""

_LOG = logging.getLogger("overlay")


def main(launch: Launch) -> int:
    """Run a node until it is told to leave; the exit code.

    Raises:
        OverlayError: it cannot start, with what to do about it.
    """
    return anyio.run(_Run(launch).run, backend="asyncio", backend_options={"loop_factory": TurnsLoop})


class _Run:
    """One run of one node."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._leaving = False
        self._up = False
        self._ipv6: str | None = None
        self._keys: KeyLog | None = None
        self._journal = Journal()

    async def run(self) -> int:
        control = ControlSocket(self._launch.socket_path)
        try:
            await self._start(control)
        finally:
            control.close()
        return 0

    async def _start(self, control: ControlSocket) -> None:
        launch = self._launch
        config = launch.config
        storage = Storage(launch.state_dir, _LOG.warning)
        seed, memory = storage.seed(), storage.memory()
        found: dict[str, Any] = {}
        async with anyio.create_task_group() as starting:
            starting.start_soon(_keys, found, launch)
            starting.start_soon(_addresses, found)
            wires = Wires(config, port_asked=launch.port_asked, clock=clock)
        try:
            wires.udp.know(found["addresses"])
            memory = storage.unlock(memory, found["keys"].rest_key)
            setup = await self._setup(found["keys"], Identity(seed), memory, wires)
            if launch.debug_keys is not None:
                self._keys = KeyLog(launch.debug_keys, setup.identity.id)
            await self._live(setup, wires, storage, control, found["addresses"])
        finally:
            wires.close()
            if self._keys is not None:
                self._keys.close()

    async def _setup(self, keys: NetworkKeys, identity: Identity, memory: Memory, wires: Wires) -> Setup:
        config = self._launch.config
        return Setup(
            identity=identity,
            keys=keys,
            name=config.node.name or own_label(),
            fixed_ipv4=config.node.ip or None,
            remembered_ipv4=memory.ipv4,
            sequence=memory.sequence,
            boot=secrets.token_bytes(8),
            peers=config.peers,
            advertise=await advertised(config.node.advertise),
            records=memory.records,
            endpoints=memory.endpoints,
            holders=memory.holders,
            tickets=memory.tickets,
            relay=config.relay.enabled,
            lan=config.lan.enabled,
            max_mbit=config.relay.max_mbit,
            punch=config.punch,
            stun=config.stun,
            ciphers=best_ciphers(),
            offloads=wires.offloads,
            port=wires.udp.port,
            dev=wires.dev,
            mtu=config.node.mtu,
            version=__version__,
            debug_keys=self._launch.debug_keys is not None,
        )

    async def _live(self, setup: Setup, wires: Wires, storage: Storage, control: ControlSocket, addresses: Any) -> None:
        gone = asyncio.Event()
        self._gone = gone
        loop = Loop(
            plane=wires.plane,
            udp=wires.udp,
            device=wires.device,
            storage=storage,
            listen=self._listen,
            beacon=self._beacon,
        )
        self._loop = loop
        self._discovery = Discovery(wires.udp.send_by, loop.tell)
        self._discovery.switch(setup.lan, addresses)
        self._addresses = addresses
        self._answers = Answers(loop, self._leave, gone)
        self._setup_now = setup
        self._wires = wires
        node = _new_node(setup)
        wires.connect(loop.receive, loop.tell)
        if wires.udp.port_moved:
            node.tell(_port_moved(setup.port, self._launch.config.node.port), now=clock())
        if self._keys is not None:
            node.tell(_keys_written(str(self._launch.debug_keys)), now=clock())
        for opened in wires.udp.sockets():
            node.tell(opened, now=clock())
        node.tell(told.AddressesChanged(addresses, gateway()), now=clock())
        loop.start(node)
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            running = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                running.add_signal_handler(number, self._leave)
            running.add_signal_handler(signal.SIGHUP, self._reload_soon)
            tasks.start_soon(control.serve, self._answers.answer)
            tasks.start_soon(self._watch_addresses)
            tasks.start_soon(self._tell_overdue)
            await gone.wait()
            await anyio.sleep(FAREWELL)
            tasks.cancel_scope.cancel()
        self._discovery.close()
        loop.stop()

    # --- what happens ---

    def _listen(self, event: happened.Event) -> None:
        if isinstance(event, happened.NodeUp):
            self._node_up(event)
        elif isinstance(event, happened.Left):
            self._gone.set()
        self._answers.heard(event)
        if self._keys is not None:
            self._keys.heard(event)
        for line in self._journal.take(event, now=clock()):
            self._say(line)

    def _beacon(self, payload: bytes) -> None:
        self._discovery.send(payload)

    def _say(self, line: Line) -> None:
        """One line for the person who started the node, and for those who watch."""
        self._launch.say(line.event, line.text, line.peer)
        self._answers.said(line)

    async def _tell_overdue(self) -> None:
        """What flapped is told once it was held back long enough."""
        while True:
            await anyio.sleep(OVERDUE_EVERY)
            for line in self._journal.overdue(now=clock()):
                self._say(line)

    def _node_up(self, event: happened.NodeUp) -> None:
        up = {"name": event.name, "ipv4": event.ipv4, "ipv6": event.ipv6, "port": self._setup_now.port}
        if self._wires.dev is not None:
            up["dev"] = self._wires.dev
        if self._up:
            self._say(Line("address", address_words(event)))
        else:
            self._up = True
            self._launch.announce(up)

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = True
            self._loop.tell(told.LeaveAsked())

    def _reload_soon(self) -> None:
        self._tasks.start_soon(self._reload)

    async def _reload(self) -> None:
        try:
            config: Config = self._launch.reload()
        except OverlayError as error:
            _LOG.warning("the config was not reread: %s", error.text)
            return
        advertise = await advertised(config.node.advertise)
        relay = config.relay
        self._discovery.switch(config.lan.enabled, self._addresses)
        self._loop.tell(
            told.PolicyChanged(
                relay.enabled,
                config.peers,
                advertise,
                config.punch,
                config.stun,
                relay.max_mbit,
                config.lan.enabled,
            )
        )
        self._say(Line("reloaded", "the config was reread"))

    async def _watch_addresses(self) -> None:
        bell = open_bell()
        if bell is None:
            return
        wait, before = BELL_WAIT, None
        with bell:
            while True:
                await anyio.wait_readable(bell)
                if not silence_bell(bell):
                    continue
                await anyio.sleep(wait)
                silence_bell(bell)
                self._look_for_device()
                network = await anyio.to_thread.run_sync(_network)
                if network is not None and not network[0]:
                    await anyio.sleep(BARE_WAIT)
                    network = await anyio.to_thread.run_sync(_network)
                if network is None or network == before:
                    wait = BELL_VAIN
                    continue
                wait, before = BELL_WAIT, network
                self._network_changed(*network)

    def _network_changed(self, addresses: Addresses, gateway: str) -> None:
        opened, closed = self._wires.udp.know(addresses)
        for gone in closed:
            self._loop.tell(told.SocketClosed(gone))
        for came in opened:
            self._loop.tell(came)
        self._addresses = addresses
        self._discovery.know(addresses)
        self._loop.tell(told.AddressesChanged(addresses, gateway))

    def _look_for_device(self) -> None:
        dev = self._wires.dev
        if dev is None or _has_device(dev):
            return
        self._loop.tell(
            told.ProblemFound(
                "device_gone",
                f"The device {dev} was removed: no packet of this host reaches the network any more.",
                "End the node (overlay leave) and join again.",
            )
        )


def _new_node(setup: Setup) -> Node:
    """The operating system rolls the dice too: nobody foresees labels, tokens, transactions, randoms of probes."""
    return Node(setup, keygen=secrets.token_bytes, entropy=random.SystemRandom(), now=clock())


def _network() -> tuple[Addresses, str] | None:
    """This host's addresses and its gateway; None: they cannot be read. Blocks for some ms."""
    addresses = read_addresses()
    return None if addresses is None else (addresses, gateway())


async def _keys(found: dict[str, Any], launch: Launch) -> None:
    network = launch.config.network
    stretched = launch.stretched or Stretching(network, launch.secret).result
    found["keys"] = network_keys(network, await anyio.to_thread.run_sync(stretched))


async def _addresses(found: dict[str, Any]) -> None:
    found["addresses"] = await anyio.to_thread.run_sync(read_addresses) or ()


def _has_device(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def _keys_written(file: str) -> told.ProblemFound:
    return told.ProblemFound(
        "debug_keys",
        f"Every key of this node is written to {file} (--debug-keys).",
        "When the debugging is done, join again without it and delete the file.",
    )


def _port_moved(port: int, wanted: int) -> told.ProblemFound:
    return told.ProblemFound(
        "port_moved",
        f"UDP port {wanted} or {wanted + 1} is in use here; this node took {port}.",
        f"Peers that dial this node need port {port}; or free {wanted} and {wanted + 1} and join again.",
    )
