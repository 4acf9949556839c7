"""Small files that come whole, on a volume. Contract: tests/contract/test_file_intake.py.

The bytes are staged, synced and linked to the blob's name before they are recorded, in the process beside ours where
there is one, together with all that come at the same time. See docs/decisions/0030.
"""

from collections.abc import Sequence
from typing import Protocol

from awscrt.checksums import crc64nvme

from adapters.outbound.volume.chunk_intake import SharedTurn
from adapters.outbound.volume.chunk_storage import SMALL_BYTES, VolumeChunkStorage
from adapters.outbound.volume.writing.orders import SEAT_BYTES
from adapters.outbound.volume.writing.writer import ChunkWriter
from domain.byte_range import ByteRange, Extent
from domain.events import Event
from domain.file import File
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.file_intake import FileIntake


class FileRecords(Protocol):
    """The repository's side of it."""

    def rows(self, upload: Upload, file: File, events: Sequence[Event], policy: UploadPolicy) -> bytes | None:
        """What the process beside ours has to record; None where it can't."""

    def publish(self, events: Sequence[Event], first_number: int) -> None:
        """It has recorded them."""

    async def keep(self, upload: Upload, file: File, events: Sequence[Event], policy: UploadPolicy) -> None:
        """Record them here and publish the events; if that is done already, nothing happens."""


class VolumeFileIntake(FileIntake):
    """``writer``: the storage's."""

    max_bytes = SMALL_BYTES

    def __init__(
        self, storage: VolumeChunkStorage, records: FileRecords, *, writer: ChunkWriter, turn: SharedTurn
    ) -> None:
        self._storage = storage
        self._records = records
        self._writer = writer
        self._turn = turn

    def extent(self, data: bytes) -> Extent:
        return Extent(ByteRange(0, len(data)), crc64nvme(data))

    async def take(
        self,
        upload: Upload,
        file: File,
        events: Sequence[Event],
        data: bytes,
        *,
        policy: UploadPolicy,
    ) -> None:
        if self._writer.is_recording:
            rows = self._records.rows(upload, file, events, policy)
            if rows is not None and await self._take_together(upload, data, rows, events):
                return
        async with self._storage.keeping_whole(upload.id, data):
            await self._records.keep(upload, file, events, policy)

    async def _take_together(self, upload: Upload, data: bytes, rows: bytes, events: Sequence[Event]) -> bool:
        if len(data) + len(rows) > SEAT_BYTES:
            return False
        async with self._writer.seat:
            await self._turn.join()
            try:
                number = await self._writer.write_whole(upload.id, data, rows)
            finally:
                self._turn.leave()
        if number is None:
            return False
        self._records.publish(events, number)
        return True
