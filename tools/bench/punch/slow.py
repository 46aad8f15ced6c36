"""A STUN server that is far away: both ports on each of two addresses, every answer late by half a round trip each way.

python -m tools.bench.punch.slow 198.51.100.10 198.51.100.11 3478 0.04
"""

from __future__ import annotations

import asyncio
import socket
import sys

from punch.commands import SendDatagram
from punch.config import StunConfig
from punch.detect.answer import Answerer
from punch.driver.loop import clock
from punch.driver.sockets import source_of
from punch.facts import SocketOpened
from punch.values import SocketId, udp


async def serve(addresses: list[str], port: int, late: float) -> None:
    """Answer until ended; says `ready` once it listens."""
    loop = asyncio.get_running_loop()
    answerer = Answerer(StunConfig(), now=clock())
    sockets: dict[SocketId, socket.socket] = {}

    def send(command: SendDatagram) -> None:
        sockets[command.via].sendto(command.payload, (command.to.host, command.to.port))

    def readable(via: SocketId) -> None:
        payload, address = sockets[via].recvfrom(2048)
        for command in answerer.receive(payload, source_of(address), via=via, now=clock()):
            loop.call_later(late, send, command)

    for number, (address, each) in enumerate((address, each) for address in addresses for each in (port, port + 1)):
        via = SocketId(number)
        sockets[via] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sockets[via].bind((address, each))
        answerer.tell(SocketOpened(via, udp(address, each), role="main" if each == port else "alternate"))
        loop.add_reader(sockets[via].fileno(), readable, via)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    *ADDRESSES, PORT, LATE = sys.argv[1:]
    asyncio.run(serve(ADDRESSES, int(PORT), float(LATE)))
