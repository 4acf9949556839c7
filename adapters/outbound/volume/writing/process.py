"""The process that writes and syncs small chunks and files; ``writer.py`` starts it and says why it is there.

Orders come in one socket and outcomes go back through it; the bytes are in shared memory. Given a ledger, it also
records the receipts and rows that come with them, once the bytes are durable. It ends with its parent, needs the
standard library alone, and uses no threads.
"""

import argparse
import ctypes
import mmap
import os
import select
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from adapters.outbound.volume.staged_files import KEPT_SECONDS
from adapters.outbound.volume.staging import Durability, Staging
from adapters.outbound.volume.volume import Volume
from adapters.outbound.volume.writing.orders import ORDER, OUTCOME, SEAT_BYTES, SEATS, Kind, Note, Order, Outcome
from domain.errors import LongshoreError, StorageUnavailable
from domain.ids import UploadId

_ORDERS_AT_ONCE = 32  # enough to share a sync and a commit, and few enough that the parent is not idle meanwhile
_ANSWER_SECONDS = 0.002  # what is done by then is told, though more is to do

_SYNC_FILE_RANGE_WRITE = 2
# Python has no name for it. A hint alone: where it is missing, nothing but time is lost.
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)


def start_writing(fd: int, at: int, size: int) -> None:
    """Have the kernel begin to write the bytes: syncs that follow one another then share the filesystem's commit."""
    if _sync_file_range is not None:
        _sync_file_range(fd, ctypes.c_int64(at), ctypes.c_int64(size), _SYNC_FILE_RANGE_WRITE)


class _TooLate(LongshoreError):
    """The lease that the bytes come under may be somebody else's by now."""


class Ledger(Protocol):
    def record(self, receipts: Sequence[tuple[UploadId, int, int, int, str]], /) -> bool:
        """Commit them: upload, first byte, one past the last one, CRC-64, lease's token; whether all are committed."""

    def keep(self, files: Sequence[bytes], /) -> Sequence[int] | None:
        """Commit the rows of whole files; the number of each one's first event, or None if nothing is committed."""


def main() -> None:
    run(arguments().parse_args())


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", type=int)
    parser.add_argument("--orders", type=int)
    parser.add_argument("--parent", type=int)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--durability", type=Durability)
    parser.add_argument("--kept-seconds", type=float, default=KEPT_SECONDS)
    return parser


def run(given: argparse.Namespace, ledger: Ledger | None = None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent drains, and needs us for it
        signal.signal(number, signal.SIG_IGN)
    memory = memoryview(mmap.mmap(given.memory, SEATS * SEAT_BYTES))
    staging = Staging(Volume(given.root), given.durability, kept_seconds=given.kept_seconds)
    with suppress(ConnectionError):  # the parent is gone
        _serve(socket.socket(fileno=given.orders), given.parent, memory, staging, ledger)


def _serve(orders: socket.socket, parent: int, memory: memoryview, staging: Staging, ledger: Ledger | None) -> None:
    idle_seconds = staging.files.kept_seconds / 2
    waiting = select.poll()
    waiting.register(orders, select.POLLIN)
    rest, tidied = b"", time.monotonic()
    while True:
        is_idle = not waiting.poll(idle_seconds * 1000)
        if is_idle or time.monotonic() - tidied > idle_seconds:
            staging.files.close_idle()
            tidied = time.monotonic()
        if is_idle:
            continue
        told = orders.recv(_ORDERS_AT_ONCE * ORDER.size)
        if not told:
            return
        told = rest + told
        whole = len(told) - len(told) % ORDER.size
        rest = told[whole:]
        batch = _Batch(staging, ledger, parent)
        for kind, seat, size, rows, at, deadline, upload_id, token, crc64 in ORDER.iter_unpack(told[:whole]):
            start = seat * SEAT_BYTES
            data, behind = memory[start : start + size], bytes(memory[start + size : start + size + rows])
            note = Note(token.rstrip(b"\0").decode(), crc64)
            batch.begin(seat, Order(Kind(kind), UploadId(upload_id.decode()), at, data, note, behind), deadline)
        for outcome in batch.outcomes():
            orders.sendall(outcome)
        batch.settle()


class _Batch:
    """Orders that came together: all are on their way to the disk before the first is waited for, and all receipts
    go in one commit, all files in another."""

    def __init__(self, staging: Staging, ledger: Ledger | None, parent: int) -> None:
        self._staging = staging
        self._ledger = ledger
        self._parent = parent
        self._begun: list[tuple[int, Order, int]] = []  # seat, order, descriptor
        self._over = bytearray()
        self._kept: list[UploadId] = []

    def begin(self, seat: int, order: Order, deadline: float) -> None:
        def check() -> None:
            # Once the parent is gone its leases are others' at once.
            if time.monotonic() > deadline or os.getppid() != self._parent:
                raise _TooLate

        try:
            if order.kind is Kind.FILE:
                fd = self._staging.begin_whole(order.upload_id, order.data, check)
            else:
                fd = self._staging.begin(order.upload_id, order.at, order.data, check)
        except LongshoreError as error:
            self._tell(seat, _outcome_of(error))
            return
        start_writing(fd, order.at, len(order.data))
        self._begun.append((seat, order, fd))

    def outcomes(self) -> Iterator[bytearray]:
        """Finish what was begun; what is done by then is told every now and then."""
        since = time.monotonic()
        receipts: dict[int, Order] = {}
        files: dict[int, Order] = {}
        for seat, order, fd in self._begun:
            try:
                if order.kind is Kind.FILE:
                    self._staging.link_whole(order.upload_id, fd)
                    files[seat] = order
                    continue
                self._staging.finish(order.upload_id, fd)
            except LongshoreError as error:
                self._tell(seat, _outcome_of(error))
                continue
            if order.note.token:
                receipts[seat] = order
            else:
                self._tell(seat, Outcome.DONE)
            if self._over and time.monotonic() - since > _ANSWER_SECONDS:
                yield self._take()
                since = time.monotonic()
        if receipts:
            self._record(receipts)
        if files:
            self._keep(files)
        if self._over:
            yield self._take()

    def settle(self) -> None:
        """What nobody waits for."""
        for upload_id in self._kept:
            self._staging.settle_whole(upload_id)

    def _record(self, orders: Mapping[int, Order]) -> None:
        receipts = [
            (one.upload_id, one.at, one.at + len(one.data), one.note.crc64, one.note.token) for one in orders.values()
        ]
        is_done = self._ledger is not None and self._ledger.record(receipts)
        for seat in orders:
            self._tell(seat, Outcome.DONE if is_done else Outcome.REFUSED)

    def _keep(self, orders: Mapping[int, Order]) -> None:
        """Files, by their seats: the names of all are durable before the first is recorded."""
        try:
            self._staging.sync_links(order.upload_id for order in orders.values())
        except LongshoreError as error:
            for seat in orders:
                self._tell(seat, _outcome_of(error))
            return
        to_record = {seat: order for seat, order in orders.items() if order.rows}
        for seat in orders.keys() - to_record.keys():
            self._tell(seat, Outcome.DONE)
        if not to_record:
            return
        numbers = self._ledger.keep([order.rows for order in to_record.values()]) if self._ledger else None
        if numbers is None:
            for seat in to_record:
                self._tell(seat, Outcome.REFUSED)
            return
        for (seat, order), number in zip(to_record.items(), numbers, strict=True):
            self._tell(seat, Outcome.DONE, number)
            self._kept.append(order.upload_id)

    def _tell(self, seat: int, outcome: Outcome, number: int = 0) -> None:
        self._over += OUTCOME.pack(seat, outcome, number)

    def _take(self) -> bytearray:
        over, self._over = self._over, bytearray()
        return over


def _outcome_of(error: LongshoreError) -> Outcome:
    return Outcome.FAILED if isinstance(error, StorageUnavailable) else Outcome.REFUSED


if __name__ == "__main__":
    main()
