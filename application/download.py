"""Gives stored files out, and takes them away for good."""

from dataclasses import dataclass

from domain.access import Principal
from domain.errors import FileGone
from domain.file import File
from domain.ids import FileId, UploadId
from ports.blob_storage import Blob, BlobStorage
from ports.unit_of_work import UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file's record and its open bytes; whoever gets one closes ``blob``."""

    file: File
    blob: Blob


class DownloadUseCase:
    """Unknown files and those of other owners give the same FileNotFound."""

    def __init__(self, *, unit_of_work: UnitOfWorkFactory, blobs: BlobStorage) -> None:
        self._unit_of_work = unit_of_work
        self._blobs = blobs

    async def describe(self, principal: Principal, file_id: FileId) -> File:
        async with self._unit_of_work() as work:
            return await work.files.get(file_id, principal)

    async def open(self, principal: Principal, file_id: FileId) -> OpenFile:
        """Raises:
        FileNotFound: unknown or someone else's.
        FileGone: the record is here but its bytes were taken away behind our back.
        """
        file = await self.describe(principal, file_id)
        blob = await self._blobs.open(file.blob_key)
        if blob.size != file.size:
            await blob.close()
            raise FileGone("the file's bytes are not what was stored")
        return OpenFile(file, blob)

    async def delete(self, principal: Principal, file_id: FileId) -> None:
        """Delete the file with its upload's record. A crash after the commit leaves bytes that no record names."""
        async with self._unit_of_work() as work:
            file = await work.files.get(file_id, principal)
            await work.files.delete(file_id)
            await work.uploads.delete(UploadId(file_id))
            await work.commit()
        await self._blobs.delete(file.blob_key)
