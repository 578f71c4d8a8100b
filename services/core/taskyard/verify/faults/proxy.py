"""The network between parts and servers: a process that passes bytes on, and stops, slows or cuts them when told to.

Each part reaches each server over a link of its own, a port of 127.0.0.1. The process ends with whoever started it,
when the pipe by which it is told ends.
"""

import asyncio
import contextlib
import multiprocessing
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Final, Literal

from taskyard.local.ports import LOOPBACK

State = Literal["open", "slow", "cut", "reset"]
"""open: passes at once. slow: holds each piece for `SLOW_S`. cut: passes nothing, and tells nobody. reset: ends what is
connected, and is open then."""

SLOW_S: Final = 0.15
_PIECE_BYTES: Final = 65_536


class Network:
    """The process with its links, as the harness sees it: `links` has for each name its port and the server's."""

    def __init__(self, links: Mapping[str, tuple[int, int]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(dict(links), end), daemon=True, name="network")
        self._process.start()
        end.close()
        self._pipe.recv()

    def set(self, link: str, state: State) -> None:
        """Have the link be in `state` from now on; to be called by one thread at a time."""
        self._pipe.send((link, state))
        self._pipe.recv()

    def stop(self) -> None:
        """End the process and all its connections."""
        self._pipe.close()
        self._process.join(5)
        self._process.kill()


class _Link:
    """One port, and the connections through it."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._open = asyncio.Event()
        self._open.set()
        self._slow = False
        self._writers: set[asyncio.StreamWriter] = set()

    def become(self, state: State) -> None:
        """Be in `state` from now on."""
        if state == "reset":
            for writer in self._writers:
                writer.transport.abort()
        self._slow = state == "slow"
        (self._open.clear if state == "cut" else self._open.set)()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect whoever comes to the server, once the link is open, and pass on both ways until one side ends."""
        self._writers.add(writer)
        try:
            await self._open.wait()
            there, back = await asyncio.open_connection(LOOPBACK, self._server_port)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back)
        ways = [asyncio.ensure_future(self._pass(reader, back)), asyncio.ensure_future(self._pass(there, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            self._writers.discard(end)
            end.close()
        await asyncio.wait(ways)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                if self._slow:
                    await asyncio.sleep(SLOW_S)
                await self._open.wait()
                writer.write(piece)
                await writer.drain()


def _serve(ports: dict[str, tuple[int, int]], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: whoever started this tells it to end
    asyncio.run(_serve_until_told(ports, pipe))


async def _serve_until_told(ports: dict[str, tuple[int, int]], pipe: Connection) -> None:
    links = {name: _Link(server) for name, (_, server) in ports.items()}
    for name, (port, _) in ports.items():
        await asyncio.start_server(links[name].connected, LOOPBACK, port)
    pipe.send(None)
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), told.set)
    while True:
        await told.wait()
        told.clear()
        # The loop may say once more that there is something to read when that was read already.
        while pipe.poll():
            try:
                link, state = pipe.recv()
            except EOFError:
                return
            links[link].become(state)
            pipe.send(None)
