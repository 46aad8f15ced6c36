"""Our STUN service on real sockets: `python -m tests.punch.detect.serving PORT ADDRESS...` until it is ended."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import time

from punch.config import StunConfig
from punch.detect.answer import Answerer
from punch.facts import SocketOpened
from punch.values import SocketId, udp


def main() -> None:
    port, hosts = int(sys.argv[1]), sys.argv[2:]
    answerer = Answerer(StunConfig(), now=time.monotonic())
    sockets: dict[SocketId, socket.socket] = {}
    ready = selectors.DefaultSelector()
    for host in hosts:
        for alternate in (False, True):
            bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            bound.bind((host, port + alternate))
            via = SocketId(len(sockets) + 1)
            sockets[via] = bound
            ready.register(bound, selectors.EVENT_READ, via)
            role = SocketOpened(via, udp(host, port + alternate), role="alternate" if alternate else "main")
            answerer.tell(role)
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            payload, source = sockets[key.data].recvfrom(2048)
            commands = answerer.receive(payload, udp(source[0], source[1]), via=key.data, now=time.monotonic())
            for command in commands:
                with contextlib.suppress(OSError):  # no route there
                    sockets[command.via].sendto(command.payload, (command.to.host, command.to.port))


if __name__ == "__main__":
    main()
