"""Small files that come whole, into memory. Contract: tests/contract/test_file_intake.py."""

from collections.abc import Sequence

from adapters.outbound.memory.storage import MemoryBytes
from domain.byte_range import ByteRange, Extent
from domain.checksum import crc64nvme
from domain.errors import LongshoreError
from domain.events import Event
from domain.file import File
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.file_intake import FileIntake
from ports.unit_of_work import UnitOfWorkFactory


class MemoryFileIntake(FileIntake):
    max_bytes = 32 * 1024

    def __init__(self, memory: MemoryBytes, unit_of_work: UnitOfWorkFactory) -> None:
        self._memory = memory
        self._unit_of_work = unit_of_work

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
        self._memory.blobs[file.blob_key] = data
        try:
            async with self._unit_of_work() as work:
                await work.uploads.add(upload)
                await work.files.add(file)
                await work.uploads.check_usage(upload.owner, policy)
                for event in events:
                    work.announce(event)
                await work.commit()
        except LongshoreError:
            self._memory.blobs.pop(file.blob_key)
            raise
