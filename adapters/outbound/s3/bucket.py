"""The bucket itself: the few requests that storage is made of, and the marker that tells it from a wrong one.

    .longshore                  marker: the bucket's id
    staged/<id>/…               bytes of an unfinished upload, see staging.py
    blobs/<id>                  sealed bytes

Every request is bounded in time and tried again where that can help; a body is never sent without a proof of it
(CRC-64/NVME where the server takes it, else MD5) that the server compares before it says yes.
"""

import asyncio
import base64
import hashlib
import io
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from awscrt.checksums import crc64nvme

from adapters.outbound.s3.address import BucketAddress
from adapters.outbound.s3.errors import (
    AlreadyThere,
    NoSuchMultipart,
    NotSupported,
    bucket_translated,
    multipart_translated,
    translated,
)
from domain.byte_range import ByteRange
from domain.errors import FileGone, StorageUnavailable

_MARKER = ".longshore"
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 30
_ATTEMPTS = 4
_CONNECTIONS = 64
_DELETES_A_REQUEST = 1000  # S3's own limit
_BLOCK_BYTES = 256 * 1024


class WrongBucket(Exception):
    """The bucket is not the one that was expected; nothing has been changed in it."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object as a listing shows it; ``version`` changes with its bytes."""

    name: str
    size: int
    modified: datetime
    version: str


@dataclass(frozen=True, slots=True)
class Described:
    size: int
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    size: int
    version: str


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart upload that has been begun and not ended."""

    name: str
    id: str
    begun: datetime


class Bucket:
    """``open`` it before anything else; it belongs to the event loop that did."""

    def __init__(self, address: BucketAddress) -> None:
        self.address = address
        self._client: Any = None
        self._context: Any = None
        self._takes_crc = True  # until it refuses one
        self._checks_crc = False  # until it repeats one
        self._refuses: bool | None = None

    async def open(self) -> None:
        address = self.address
        config = AioConfig(
            signature_version="s3v4",
            # The body is proved by its checksum; signing would hash it on the event loop.
            s3={"addressing_style": "path" if address.endpoint else "auto", "payload_signing_enabled": False},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_ANSWER_SECONDS,
            max_pool_connections=_CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        )
        with translated():
            self._context = get_session().create_client(
                "s3",
                endpoint_url=address.endpoint,
                region_name=address.region,
                aws_access_key_id=address.access_key,
                aws_secret_access_key=address.secret_key,
                config=config,
            )
            self._client = await self._context.__aenter__()

    async def close(self) -> None:
        if self._context is not None:
            await self._context.__aexit__(None, None, None)
            self._context = self._client = None

    # --- the marker ---

    async def prepare(self) -> str:
        """Mark the bucket if it is new; return its id.

        Raises:
            WrongBucket: it holds something else.
            StorageUnavailable, StorageFull.
        """
        if (bucket_id := await self.identify()) is not None:
            return bucket_id
        async with aclosing(self.list("", most=100)) as found:
            async for object_ in found:
                if not object_.name.startswith(("staged/", "blobs/", _MARKER)):
                    raise WrongBucket(f"holds other things ({object_.name}, …) and no {_MARKER} marker")
        with suppress(AlreadyThere):  # another server's, which starts at the same time: it stands
            await self.put(_MARKER, secrets.token_hex(16).encode() + b"\n", only_new=True)
        return await self.identify() or ""

    async def identify(self) -> str | None:
        """The id in the marker; None without one."""
        try:
            return (await self.get(_MARKER)).decode(errors="replace").strip() or None
        except FileGone:
            return None

    async def check(self) -> None:
        """Raise StorageUnavailable unless the marker can be read: where it is, a missing object is missing."""
        if await self.identify() is None:
            raise StorageUnavailable("the bucket is not there, or not ours")

    async def refuses_overwriting(self) -> bool:
        """Whether ``put`` with ``only_new`` is of any use: Amazon and radosgw refuse, rclone overwrites."""
        if self._refuses is None:
            bucket_id = await self.identify()
            if bucket_id is None:
                raise StorageUnavailable("the bucket is not there, or not ours")
            try:
                await self.put(_MARKER, bucket_id.encode() + b"\n", only_new=True)
                self._refuses = False
            except AlreadyThere:
                self._refuses = True
        return self._refuses

    # --- objects ---

    async def put(
        self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None, only_new: bool = False
    ) -> None:
        """Return once ``data`` is durable under ``name``.

        Raises:
            AlreadyThere: with ``only_new``, where the server can tell; some just overwrite.
        """
        more: dict[str, Any] = {"Metadata": dict(metadata)} if metadata else {}
        if only_new:
            more["IfNoneMatch"] = "*"
        with bucket_translated():
            await self._send("put_object", data, Key=name, **more)

    async def get(self, name: str, wanted: ByteRange | None = None) -> bytes:
        """All its bytes, or those of ``wanted``; for what is small enough to hold.

        Raises:
            FileGone: there is no such object, or it ends before ``wanted`` does.
        """
        if wanted is None:
            with translated():
                answer = await self._call("get_object", Key=name)
                async with answer["Body"] as body:
                    return bytes(await body.read())
        return b"".join([block async for block in self.blocks(name, wanted)])

    async def blocks(self, name: str, wanted: ByteRange) -> AsyncGenerator[bytes, None]:
        """The bytes of ``wanted``, at most 256 KiB at a time. A connection that breaks is opened anew where it was.

        Raises:
            FileGone, StorageUnavailable.
        """
        at, attempts = wanted.start, 0
        while at < wanted.end:
            before = at
            try:
                async with aclosing(self._blocks(name, ByteRange(at, wanted.end))) as blocks:
                    async for block in blocks:
                        yield block
                        at += len(block)
                if at < wanted.end:
                    raise FileGone("the file is shorter than it was")
            except StorageUnavailable:
                attempts = attempts + 1 if at == before else 0
                if attempts == _ATTEMPTS:
                    raise

    async def _blocks(self, name: str, wanted: ByteRange) -> AsyncGenerator[bytes, None]:
        with translated():
            try:
                answer = await self._call("get_object", Key=name, Range=f"bytes={wanted.start}-{wanted.end - 1}")
            except self._client.exceptions.ClientError as error:
                if error.response.get("Error", {}).get("Code") == "InvalidRange":
                    raise FileGone("the file is shorter than it was") from None
                raise
            async with answer["Body"] as body:
                while block := await body.read(_BLOCK_BYTES):
                    yield block

    async def describe(self, name: str) -> Described | None:
        """None if there is no such object."""
        try:
            with translated():
                answer = await self._call("head_object", Key=name)
        except FileGone:
            return None
        return Described(answer["ContentLength"], answer.get("Metadata", {}))

    async def list(self, prefix: str, *, most: int | None = None) -> AsyncGenerator[Found, None]:
        """Every object whose name begins so, by name; ``most``: no more than the first so many."""
        more: dict[str, Any] = {"MaxKeys": most} if most else {}
        while True:
            with bucket_translated():
                answer = await self._call("list_objects_v2", Prefix=prefix, **more)
            for entry in answer.get("Contents", []):
                yield Found(entry["Key"], entry["Size"], entry["LastModified"], entry.get("ETag", ""))
            if most or not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    async def delete(self, names: Sequence[str]) -> None:
        """Forget these objects; of those that are not there nothing is said."""
        for start in range(0, len(names), _DELETES_A_REQUEST):
            some = names[start : start + _DELETES_A_REQUEST]
            if len(some) == 1:
                with suppress(FileGone), translated():  # Google says so of what is not there; Amazon and others don't
                    await self._call("delete_object", Key=some[0])
                continue
            with translated():
                answer = await self._call(
                    "delete_objects", Delete={"Objects": [{"Key": name} for name in some], "Quiet": True}
                )
            if answer.get("Errors"):
                raise StorageUnavailable("storage failed: some could not be deleted")

    async def link(self, name: str, *, disposition: str, media_type: str, seconds: int) -> str:
        """A URL that gives the object to anybody for so long, under that name and type."""
        with translated():
            return str(
                await self._client.generate_presigned_url(
                    "get_object",
                    Params={
                        "Bucket": self.address.name,
                        "Key": name,
                        "ResponseContentDisposition": disposition,
                        "ResponseContentType": media_type,
                    },
                    ExpiresIn=seconds,
                )
            )

    # --- multipart uploads ---

    async def begin(self, name: str, *, metadata: Mapping[str, str]) -> str:
        """Begin a multipart upload that will become the object ``name``; return its id."""
        checked = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"} if self._takes_crc else {}
        try:
            with bucket_translated():
                answer = await self._call("create_multipart_upload", Key=name, Metadata=dict(metadata), **checked)
        except NotSupported:
            if not self._takes_crc:
                raise
            self._takes_crc = False
            return await self.begin(name, metadata=metadata)
        return str(answer["UploadId"])

    async def put_part(self, name: str, multipart_id: str, number: int, data: bytes) -> str:
        """Return the part's version once it is durable; the same number again replaces the part."""
        with multipart_translated():
            answer = await self._send("upload_part", data, Key=name, UploadId=multipart_id, PartNumber=number)
        return _plain(answer["ETag"])

    async def copy_part(self, name: str, multipart_id: str, number: int, source: str, wanted: ByteRange) -> str:
        """As ``put_part``, with bytes of another object that never leave the service.

        Raises:
            NotSupported.
        """
        with multipart_translated():
            answer = await self._call(
                "upload_part_copy",
                Key=name,
                UploadId=multipart_id,
                PartNumber=number,
                CopySource={"Bucket": self.address.name, "Key": source},
                CopySourceRange=f"bytes={wanted.start}-{wanted.end - 1}",
            )
        version = answer.get("CopyPartResult", {}).get("ETag")
        if not version:  # rclone takes it for an empty part and says yes
            raise NotSupported("upload_part_copy")
        return _plain(version)

    async def parts(self, name: str, multipart_id: str) -> dict[int, Part]:
        """By number, as the service has them.

        Raises:
            NoSuchMultipart.
        """
        found: dict[int, Part] = {}
        more: dict[str, Any] = {}
        while True:
            with multipart_translated():
                answer = await self._call("list_parts", Key=name, UploadId=multipart_id, **more)
            for part in answer.get("Parts", []):
                found[part["PartNumber"]] = Part(part["Size"], _plain(part["ETag"]))
            if not answer.get("IsTruncated"):
                return found
            more = {"PartNumberMarker": answer["NextPartNumberMarker"]}

    async def complete(self, name: str, multipart_id: str, parts: Mapping[int, Part]) -> None:
        """Make one object of these parts, in the order of their numbers.

        Raises:
            NoSuchMultipart: it is over already; whether it became the object is for the caller to find out.
            StorageUnavailable: the same holds.
        """
        listed = [{"PartNumber": number, "ETag": parts[number].version} for number in sorted(parts)]
        with multipart_translated():
            await self._call(
                "complete_multipart_upload", Key=name, UploadId=multipart_id, MultipartUpload={"Parts": listed}
            )

    async def abort(self, name: str, multipart_id: str) -> None:
        with suppress(NoSuchMultipart), multipart_translated():
            await self._call("abort_multipart_upload", Key=name, UploadId=multipart_id)

    async def multiparts(self, prefix: str) -> AsyncIterator[Multipart]:
        """Those under way for objects whose name begins so."""
        more: dict[str, Any] = {}
        while True:
            try:
                with bucket_translated():
                    answer = await self._call("list_multipart_uploads", Prefix=prefix, **more)
            except NoSuchMultipart:
                return  # rclone's word for none
            for entry in answer.get("Uploads", []):
                yield Multipart(entry["Key"], entry["UploadId"], entry["Initiated"])
            if not answer.get("IsTruncated"):
                return
            more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    # The client library has no types: what it takes and gives is looked at here and in the methods above, nowhere else.
    async def _send(self, operation: str, data: bytes, **parameters: Any) -> Any:  # noqa: ANN401
        proofs = await asyncio.to_thread(_proofs, data, crc=self._takes_crc, md5=not self._checks_crc)
        try:
            with translated():
                answer = await self._call(operation, Body=io.BytesIO(data), **proofs, **parameters)
        except NotSupported:
            if not self._takes_crc and "IfNoneMatch" not in parameters:
                raise
            if not self._takes_crc:
                del parameters["IfNoneMatch"]
            self._takes_crc = self._checks_crc = False
            return await self._send(operation, data, **parameters)
        self._checks_crc = self._takes_crc and "ChecksumCRC64NVME" in answer
        return answer

    async def _call(self, operation: str, **parameters: Any) -> Any:  # noqa: ANN401
        if self._client is None:
            raise StorageUnavailable("the bucket is closed")
        return await getattr(self._client, operation)(Bucket=self.address.name, **parameters)


def _proofs(data: bytes, *, crc: bool, md5: bool) -> dict[str, str]:
    """In a thread. MD5 is no secret's keeper here: it is what every S3 service compares."""
    proofs = {}
    if crc:
        proofs["ChecksumCRC64NVME"] = _base64(crc64nvme(data).to_bytes(8, "big"))
    if md5:
        proofs["ContentMD5"] = _base64(hashlib.md5(data, usedforsecurity=False).digest())
    return proofs


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def _plain(etag: str) -> str:
    """Without its quotes: radosgw leaves them out at times."""
    return etag.strip('"')
