"""Whether a service answers, and has what staged uploads are made of: not all that speak S3 do."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from adapters.outbound.s3.bucket import Bucket
from adapters.outbound.s3.layout import blob_name
from adapters.outbound.s3.multiparts import Multiparts
from domain.errors import FileGone, LongshoreError, StorageFull, StorageUnavailable


@asynccontextmanager
async def answering(seconds: float = 20.0) -> AsyncIterator[None]:
    """For what is asked at a start: one that takes connections and never answers would hold it for minutes.

    Raises:
        StorageUnavailable: what is in the block took longer.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise StorageUnavailable(f"the service does not answer: {seconds:g} s were not enough") from error


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
        await _put_parts(multiparts, name, multipart_id)
    except LongshoreError:
        with suppress(LongshoreError):  # what is raised says more
            await multiparts.abort(name, multipart_id)
        raise
    # Not where we are cancelled: who does not answer would not answer this either.
    with _needed("end a multipart upload (AbortMultipartUpload)"):
        await multiparts.abort(name, multipart_id)


async def _put_parts(multiparts: Multiparts, name: str, multipart_id: str) -> None:
    with _needed("take parts in any order (UploadPart)"):
        await multiparts.put_part(name, multipart_id, 2, b"two")
        await multiparts.put_part(name, multipart_id, 1, b"?")
    with _needed("replace a part (UploadPart)"):
        await multiparts.put_part(name, multipart_id, 1, b"one!")
    with _needed("list the parts of a multipart upload (ListParts)"):
        parts = await multiparts.parts(name, multipart_id)
    if {number: part.size for number, part in parts.items()} != {1: 4, 2: 3}:
        raise StorageUnavailable("the service does not list the parts that were put last (ListParts)")


@contextmanager
def _needed(what: str) -> Iterator[None]:
    try:
        yield
    except (StorageUnavailable, StorageFull, FileGone) as error:
        reason = error.detail or type(error).__name__
        raise StorageUnavailable(f"the service does not {what}: {reason}") from error
