"""Whether a service has what staged uploads are made of: not all that speak S3 do."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.outbound.s3.bucket import Bucket
from adapters.outbound.s3.layout import blob_name
from domain.errors import FileGone, StorageFull, StorageUnavailable


async def check_service(bucket: Bucket) -> None:
    """Begin a multipart upload, put parts as staging does, list them, take it all back.

    Should we be killed meanwhile, it is found and swept as an upload's that nobody knows.

    Raises:
        StorageUnavailable: ``detail`` says what the service does not do.
    """
    multiparts, name = bucket.multiparts, blob_name(secrets.token_hex(16))
    with _needed("begin a multipart upload (CreateMultipartUpload)"):
        multipart_id = await multiparts.begin(name, metadata={})
    try:
        with _needed("take parts in any order (UploadPart)"):
            await multiparts.put_part(name, multipart_id, 2, b"two")
            await multiparts.put_part(name, multipart_id, 1, b"?")
        with _needed("replace a part (UploadPart)"):
            await multiparts.put_part(name, multipart_id, 1, b"one!")
        with _needed("list the parts of a multipart upload (ListParts)"):
            parts = await multiparts.parts(name, multipart_id)
        if {number: part.size for number, part in parts.items()} != {1: 4, 2: 3}:
            raise StorageUnavailable("the service does not list the parts that were put last (ListParts)")
    finally:
        with _needed("end a multipart upload (AbortMultipartUpload)"):
            await multiparts.abort(name, multipart_id)


@contextmanager
def _needed(what: str) -> Iterator[None]:
    try:
        yield
    except (StorageUnavailable, StorageFull, FileGone) as error:
        reason = error.detail or type(error).__name__
        raise StorageUnavailable(f"the service does not {what}: {reason}") from error
