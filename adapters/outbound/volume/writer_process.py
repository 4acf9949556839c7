"""The process that writes and syncs small chunks; writer.py starts it and says why it is there.

Orders come in one socket and outcomes go back through it; the bytes are in shared memory. It ends with its parent,
needs the standard library alone, and uses no threads.
"""

import argparse
import ctypes
import mmap
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from adapters.outbound.volume.staging import Durability, Staging
from adapters.outbound.volume.volume import Volume
from adapters.outbound.volume.writer_orders import ORDER, OUTCOME, SLOT_BYTES, SLOTS, Outcome
from domain.errors import LongshoreError, StorageUnavailable
from domain.ids import UploadId

_READ_BYTES = 64 * 1024
_ANSWER_SECONDS = 0.002  # what is done by then is told, though more is to do
_IDLE_SECONDS = 5.0


_SYNC_FILE_RANGE_WRITE = 2
# Python has no name for it. A hint alone: where it is missing, nothing but time is lost.
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)


def start_writing(fd: int, at: int, size: int) -> None:
    """Have the kernel begin to write the bytes: syncs that follow one another then share the filesystem's commit."""
    if _sync_file_range is not None:
        _sync_file_range(fd, ctypes.c_int64(at), ctypes.c_int64(size), _SYNC_FILE_RANGE_WRITE)


class _TooLate(LongshoreError):
    """The lease that the bytes come under may be somebody else's by now."""


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--memory", type=int)
    arguments.add_argument("--orders", type=int)
    arguments.add_argument("--parent", type=int)
    arguments.add_argument("--root", type=Path)
    arguments.add_argument("--durability", type=Durability)
    given = arguments.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent drains, and needs us for it
        signal.signal(number, signal.SIG_IGN)
    memory = memoryview(mmap.mmap(given.memory, SLOTS * SLOT_BYTES))
    staging = Staging(Volume(given.root), given.durability)
    with suppress(ConnectionError):  # the parent is gone
        _serve(socket.socket(fileno=given.orders), given.parent, memory, staging)


def _serve(orders: socket.socket, parent: int, memory: memoryview, staging: Staging) -> None:
    waiting = select.poll()
    waiting.register(orders, select.POLLIN)
    rest, tidied = b"", time.monotonic()
    while True:
        is_idle = not waiting.poll(_IDLE_SECONDS * 1000)
        if is_idle or time.monotonic() - tidied > _IDLE_SECONDS:
            staging.files.close_idle()
            tidied = time.monotonic()
        if is_idle:
            continue
        told = orders.recv(_READ_BYTES)
        if not told:
            return
        told = rest + told
        whole = len(told) - len(told) % ORDER.size
        rest = told[whole:]
        round_ = _Round(staging, parent)
        for slot, size, at, deadline, upload_id in ORDER.iter_unpack(told[:whole]):
            data = memory[slot * SLOT_BYTES : slot * SLOT_BYTES + size]
            round_.begin(slot, UploadId(upload_id.decode()), at, data, deadline)
        for outcome in round_.outcomes():
            orders.sendall(outcome)


class _Round:
    """Orders that came together: all are on their way to the disk before the first is waited for."""

    def __init__(self, staging: Staging, parent: int) -> None:
        self._staging = staging
        self._parent = parent
        self._begun: list[tuple[int, UploadId, int]] = []
        self._over = bytearray()

    def begin(self, slot: int, upload_id: UploadId, at: int, data: memoryview, deadline: float) -> None:
        def check() -> None:
            # Once the parent is gone its leases are others' at once.
            if time.monotonic() > deadline or os.getppid() != self._parent:
                raise _TooLate

        try:
            fd = self._staging.begin(upload_id, at, data, check)
        except LongshoreError as error:
            self._tell(slot, error)
            return
        start_writing(fd, at, len(data))
        self._begun.append((slot, upload_id, fd))

    def outcomes(self) -> Iterator[bytearray]:
        """Finish what was begun; what is done by then is told every now and then."""
        since = time.monotonic()
        for slot, upload_id, fd in self._begun:
            try:
                self._staging.finish(upload_id, fd)
            except LongshoreError as error:
                self._tell(slot, error)
            else:
                self._tell(slot, None)
            if time.monotonic() - since > _ANSWER_SECONDS:
                yield self._take()
                since = time.monotonic()
        if self._over:
            yield self._take()

    def _tell(self, slot: int, error: LongshoreError | None) -> None:
        outcome = Outcome.DONE
        if error is not None:
            outcome = Outcome.FAILED if isinstance(error, StorageUnavailable) else Outcome.REFUSED
        self._over += OUTCOME.pack(slot, outcome)

    def _take(self) -> bytearray:
        over, self._over = self._over, bytearray()
        return over


if __name__ == "__main__":
    main()
