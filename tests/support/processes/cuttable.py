"""A line to a service that can be cut: between our servers and a database or a bucket, in a process of its own.

    python -m tests.support.processes.cuttable TO_PORT AT_PORT

A line of its input says how it is from now on: ``flows``; ``refused``, whatever is open is reset and nobody gets
through; or ``silent``, nothing comes through and nobody is told.
"""

import asyncio
import contextlib
import sys

from tests.support.ports import free_port, listens
from tests.support.processes.process import ChildProcess, python_module
from tests.support.until import becomes

_BLOCK = 64 * 1024


class CuttableLine(ChildProcess):
    """Flows from ``with`` on; who takes ``port`` for the service's own can be cut off from it."""

    def __init__(self, to_port: int) -> None:
        self.port = free_port()
        super().__init__(python_module(__name__, str(to_port), str(self.port)), name="the line", speaks=True)

    def launch(self) -> None:
        super().launch()
        assert becomes(lambda: listens(self.port), within=20), "the line does not come up"

    def becomes(self, how: str) -> None:
        self.say(how.encode())
        assert self.told() == how


class _Line:
    def __init__(self, to_port: int, at_port: int) -> None:
        self._to_port = to_port
        self._at_port = at_port
        self._flows = asyncio.Event()
        self._ends = set[asyncio.StreamWriter]()
        self._server: asyncio.Server | None = None

    async def become(self, how: str) -> None:
        if how == "refused":
            assert self._server is not None
            self._server.close()
            for end in self._ends:
                end.transport.abort()
            self._server = None
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._at_port, backlog=512)
        if how == "silent":
            self._flows.clear()
        else:
            self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        with contextlib.suppress(OSError):
            await self._flows.wait()
            service_reader, service = await asyncio.open_connection("127.0.0.1", self._to_port)
            self._ends.add(service)
            await asyncio.gather(self._pass(reader, service), self._pass(service_reader, writer))
            self._end(service)
        self._end(writer)

    async def _pass(self, from_: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await from_.read(_BLOCK):
                await self._flows.wait()
                to.write(data)
                await to.drain()
        # An end is an end for both.
        to.close()

    def _end(self, end: asyncio.StreamWriter) -> None:
        self._ends.discard(end)
        end.close()


async def _run(to_port: int, at_port: int) -> None:
    line = _Line(to_port, at_port)
    await line.become("flows")
    loop = asyncio.get_running_loop()
    while order := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        await line.become(order)
        print(order, flush=True)


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), int(sys.argv[2])))
