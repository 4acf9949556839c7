"""A process of its own that has small chunks written beside it: the parent of a writer, to be killed.

``python -m tests.support.writing_process VOLUME`` prints the writer's process id once there is one. For each line it
reads it orders a chunk (``DATA``) for each of the ids in the line, and prints ``ordered``; then how many were done.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.volume import Volume
from adapters.outbound.volume.writing.writer import ChunkWriter
from domain.ids import UploadId

ROOT = Path(__file__).resolve().parents[2]
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


class WritingProcess:
    """That process, seen from the test; killed at the latest when the block is left."""

    def __init__(self, volume: Volume, log: Path) -> None:
        """``log``: where the process and the writer complain."""
        self._words = [sys.executable, "-m", "tests.support.writing_process", str(volume.root)]
        self._log = log

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._words, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=log)
        self.writer_pid = int(self.told())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def told(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def order(self, upload_ids: Iterable[UploadId]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(upload_ids).encode() + b"\n")
        self._process.stdin.flush()
        assert self.told() == "ordered"

    def leave(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(10) == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1])))
