"""Takes a file's records away, with all that belongs to it, in the unit of work of whoever has reason to; and tells
what is remembered of it."""

from contextlib import suppress
from datetime import datetime

from domain.access import Principal
from domain.errors import FileExpired, FileNotFound, UploadNotFound
from domain.file import File
from domain.ids import BlobKey, FileId, UploadId
from domain.image import THUMBNAILS
from domain.upload_state import UploadState
from ports.unit_of_work import UnitOfWork


async def erase(
    work: UnitOfWork, file_id: FileId, now: datetime, *, remembered_as: UploadState | None = None
) -> list[BlobKey]:
    """Delete the file with its upload's record and its image; return the blobs that are noted as to be deleted, so that
    they can go once this is committed.

    ``remembered_as``: ABORTED or EXPIRED: for a while the upload still says that the file was there.
    """
    await work.jobs.forget(THUMBNAILS, file_id)
    keys = [*await work.images.remove(file_id)]
    blob_key = await work.files.delete(file_id)
    if remembered_as is None:
        await work.uploads.delete(UploadId(file_id))
    else:
        await work.uploads.follow_file(UploadId(file_id), remembered_as, now)
    if blob_key is not None:
        keys.append(blob_key)
    for key in keys:
        await work.blob_deletions.add(key, now)
    return keys


async def find_or_recall(work: UnitOfWork, principal: Principal, file_id: FileId) -> File:
    """Raises:
    FileNotFound: unknown, or deleted.
    FileExpired: to whom its upload may be told of: it is over, and its bytes are gone.
    """
    try:
        return await work.files.find(file_id)
    except FileNotFound:
        with suppress(UploadNotFound):
            upload = await work.uploads.get(UploadId(file_id), principal)
            if upload.state is UploadState.EXPIRED and upload.is_whole:
                raise FileExpired("the file has expired") from None
        raise
