"""What an S3 service says, as the core understands it."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import FileGone, StorageFull, StorageUnavailable

_GONE = frozenset({"NoSuchKey", "404", "NotFound"})
# Each server has its own word for it; HTTP's is 507.
_FULL = frozenset({"QuotaExceeded", "StorageFull", "InsufficientStorage", "XMinioStorageFull", "507"})
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412"})
_UNKNOWN_TO_SERVER = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "501"})


class NoSuchMultipart(StorageUnavailable):
    """The multipart upload is over: completed, or aborted."""


class AlreadyThere(StorageUnavailable):
    """There is an object of that name."""


class NotSupported(StorageUnavailable):
    """The server does not know what it was asked for; there is another way."""


@contextmanager
def multipart_translated() -> Iterator[None]:
    """As ``translated``, where a multipart upload was spoken of: radosgw says NoSuchKey for NoSuchUpload."""
    try:
        with translated():
            yield
    except FileGone as error:
        raise NoSuchMultipart from error


@contextmanager
def bucket_translated() -> Iterator[None]:
    """As ``translated``, where the bucket itself was spoken of: what is not there then is the bucket, no file."""
    try:
        with translated():
            yield
    except FileGone as error:
        raise StorageUnavailable("storage failed: there is no such bucket") from error


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the service, the network and the client library say into what the core understands.

    Raises:
        NoSuchMultipart, AlreadyThere, NotSupported: kinds of StorageUnavailable that this package can deal with.
        FileGone, StorageFull, StorageUnavailable.
    """
    try:
        yield
    except ClientError as error:
        raise _translated(error) from error
    except (BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as error:
        raise StorageUnavailable(f"storage failed: {type(error).__name__}") from error


def _translated(error: ClientError) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code == "NoSuchUpload":
        return NoSuchMultipart()
    if code in _GONE:
        return FileGone("the bytes are gone")
    if code in _FULL:
        return StorageFull("no room is left in storage")
    if code in _TAKEN:
        return AlreadyThere()
    if code in _UNKNOWN_TO_SERVER:
        return NotSupported(code)
    return StorageUnavailable(f"storage failed: {code if code.isalnum() else 'unknown'}")
