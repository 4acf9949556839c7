"""A file on this machine that is sent: it has to stay what it was when it was opened."""

import hashlib
import os
import stat
import threading
import zlib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from longshore.client.errors import FileChanged

_BLOCK_BYTES = 1024 * 1024


class LocalFile:
    """Open for reading; its calls block, so they are made in threads.

    Raises:
        OSError: it can't be read, or is no file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # A pipe that nobody writes to would be waited for.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        self._file = os.fdopen(fd, "rb", buffering=0)
        self._lock = threading.Lock()
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            self._file.close()
            raise OSError(f"{path} is not a regular file")
        self.size = about.st_size
        self.changed_at = about.st_mtime_ns

    def read(self, at: int, limit: int) -> bytes:
        """At least a byte, unless ``at`` is the end.

        Raises:
            FileChanged: it has become shorter.
        """
        with self._lock:
            self._file.seek(at)
            data = self._file.read(min(limit, self.size - at))
        if not data and at < self.size:
            raise FileChanged(f"{self.path} has become shorter while it was sent")
        return data

    def check(self) -> None:
        """Raises:
        FileChanged
        """
        about = os.fstat(self._file.fileno())
        if (about.st_size, about.st_mtime_ns) != (self.size, self.changed_at):
            raise FileChanged(f"{self.path} was changed while it was sent")

    def checksum(self, algorithm: str, start: int, end: int) -> str:
        """Of these bytes, as tus spells it in Upload-Checksum."""
        if algorithm == "crc32":
            crc = 0

            def count(block: bytes) -> None:
                nonlocal crc
                crc = zlib.crc32(block, crc)

            self._each(start, end, count)
            digest = crc.to_bytes(4, "big")
        else:
            hashing = hashlib.new(algorithm, usedforsecurity=False)
            self._each(start, end, hashing.update)
            digest = hashing.digest()
        return f"{algorithm} {b64encode(digest).decode()}"

    def sha256(self, given_up: threading.Event) -> bytes:
        """Of all of it; of nothing in particular once it is ``given_up``."""
        hashing = hashlib.sha256()
        self._each(0, self.size, hashing.update, given_up)
        return hashing.digest()

    def _each(
        self, start: int, end: int, use: Callable[[bytes], object], given_up: threading.Event | None = None
    ) -> None:
        while start < end and not (given_up and given_up.is_set()):
            block = self.read(start, min(_BLOCK_BYTES, end - start))
            use(block)
            start += len(block)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
