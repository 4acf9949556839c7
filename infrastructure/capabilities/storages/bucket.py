"""A bucket of an S3 service."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from operator import not_
from urllib.parse import parse_qsl, urlsplit

from dependency_injector import providers

from domain.errors import StorageFull, StorageUnavailable
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.storages.belonging import NotOurs, settle
from infrastructure.capabilities.storages.storage import Storage
from infrastructure.capability import CannotStart, late, of, starting
from infrastructure.setting_values import is_web_address

_S3 = "adapters.outbound.s3"
_FORM = "s3://<bucket>?endpoint=<url>&region=<name>"


def parse_bucket_url(text: str) -> tuple[str, dict[str, str]]:
    """The bucket's name, and what the query says of ``endpoint`` and ``region``."""
    if "@" in text:
        raise ValueError("the keys go into S3_ACCESS_KEY and S3_SECRET_KEY; allowed: s3://<bucket>?endpoint=…&region=…")
    parts = urlsplit(text)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme != "s3" or parts.path.strip("/") or parts.fragment or query.keys() - {"endpoint", "region"}:
        raise ValueError(f"allowed: {_FORM}")
    check_bucket_name(parts.netloc)
    check_region(query.get("region"))
    check_endpoint(query.get("endpoint"))
    return parts.netloc, query


def check_bucket_name(text: str | None) -> str | None:
    if text and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", text, re.ASCII):
        raise ValueError("allowed: a bucket's name: 3 to 63 small letters, digits, dots and hyphens")
    return text


def check_region(text: str | None) -> str | None:
    if text and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text, re.ASCII):
        raise ValueError("allowed: a region's name such as eu-central-1")
    return text


def check_endpoint(text: str | None) -> str | None:
    """A URL, or a host and port: then S3_USE_SSL says which."""
    if text and not is_web_address(text if "://" in text else f"https://{text}"):
        raise ValueError("allowed: the service's address such as https://s3.example.org or host:9000")
    return text


class BucketParts(DatabaseParts):
    bucket = providers.Singleton(late(f"{_S3}.bucket", "Bucket"), of.bucket)
    bucket_chunks = providers.Singleton(late(f"{_S3}.chunk_storage", "S3ChunkStorage"), bucket)
    bucket_blobs = providers.Singleton(
        late(f"{_S3}.blob_storage", "S3BlobStorage"), bucket, gives_links=providers.Callable(not_, of.s3_proxy)
    )
    bucket_medium = providers.Singleton(late(f"{_S3}.medium", "S3Medium"), bucket)


@asynccontextmanager
async def _opened(parts: BucketParts) -> AsyncIterator[None]:
    try:
        from adapters.outbound.s3.bucket import WrongBucket  # noqa: PLC0415 -- a volume needs none of it
        from adapters.outbound.s3.probe import answering, check_service  # noqa: PLC0415
    except ModuleNotFoundError as error:
        how = "make s3, or pip install longshore[s3]"
        raise CannotStart(f"STORAGE_URL: a bucket needs the package {error.name}: {how}") from error
    bucket = parts.bucket()
    where = f"STORAGE_URL: the bucket {bucket.address.place}"
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bucket.close)
        with starting():
            try:
                async with answering():
                    await bucket.open()
                    await settle(
                        parts.installation(),
                        bucket,
                        called="bucket",
                        moving="copy all objects of the old bucket into it, .longshore too (rclone copy)",
                        checked=partial(check_service, bucket),
                    )
            except (WrongBucket, NotOurs) as error:
                raise CannotStart(f"{where} {error}") from error
            except (StorageUnavailable, StorageFull) as error:
                raise CannotStart(f"{where}: {error.detail}") from error
        yield


@asynccontextmanager
async def _opened_to_look(parts: BucketParts) -> AsyncIterator[None]:
    bucket = parts.bucket()
    await bucket.open()
    try:
        yield
    finally:
        await bucket.close()


BUCKET = Storage(
    form=_FORM,
    reads=lambda text: bool(parse_bucket_url(text)),
    parts=BucketParts,
    chunks=BucketParts.bucket_chunks,
    blobs=BucketParts.bucket_blobs,
    medium=BucketParts.bucket_medium,
    opened=_opened,
    opened_to_look=_opened_to_look,
)
