"""Takes a file's records away, with all that belongs to it, in the unit of work of whoever has reason to."""

from datetime import datetime

from domain.ids import BlobKey, FileId, UploadId
from domain.image import THUMBNAILS
from ports.unit_of_work import UnitOfWork


async def erase(work: UnitOfWork, file_id: FileId, now: datetime) -> list[BlobKey]:
    """Delete the file with its upload's record and its image; return the blobs that are noted as to be deleted, so that
    they can go once this is committed."""
    await work.jobs.forget(THUMBNAILS, file_id)
    keys = [*await work.images.remove(file_id)]
    blob_key = await work.files.delete(file_id)
    await work.uploads.delete(UploadId(file_id))
    if blob_key is not None:
        keys.append(blob_key)
    for key in keys:
        await work.blob_deletions.add(key, now)
    return keys
