"""A process of its own that has small chunks written beside it: the parent of a writer, to be killed.

``python -m tests.support.processes.writing_process VOLUME`` prints the writer's process id once there is one. For
each line it reads it orders a chunk (``DATA``) for each of the ids in the line, and prints
``ordered``; then how many were done.
"""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.volume import Volume
from adapters.outbound.volume.writing.writer import ChunkWriter
from domain.ids import UploadId
from tests.support.processes.process import ChildProcess, python_module

DATA = b"written" * 142 + b"......"


async def _write(root: Path) -> None:
    writer = ChunkWriter(Volume(root), Durability.ACK)
    writer.consider(100)
    while not writer.is_ready:  # noqa: ASYNC110 -- nobody tells
        await asyncio.sleep(0.01)
    assert writer._process is not None
    print(writer._process._process.pid, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        writes = [asyncio.create_task(writer.write(UploadId(word), 0, DATA)) for word in line.split()]
        await asyncio.sleep(0.05)
        print("ordered", flush=True)
        print(sum(await asyncio.gather(*writes)), flush=True)
    await writer.close()


class WritingProcess(ChildProcess):
    """That process, seen from the test; killed at the latest when the block is left."""

    def __init__(self, volume: Volume, log: Path) -> None:
        """``log``: where the process and the writer complain."""
        super().__init__(python_module(__name__, str(volume.root)), log_path=log, speaks=True)

    def __enter__(self) -> Self:
        super().__enter__()
        self.writer_pid = int(self.told())
        return self

    def order(self, upload_ids: Iterable[UploadId]) -> None:
        self.say(" ".join(upload_ids).encode())
        assert self.told() == "ordered"

    def leave(self) -> None:
        """Let it end by itself."""
        self.hang_up()
        assert self.wait(10) == 0


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1])))
