"""The bucket itself: its objects, and the marker that tells it from a wrong one.

.longshore                  marker: the bucket's id
staged/<id>/…               bytes of an unfinished upload, see layout.py
blobs/<id>                  sealed bytes
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import ClientPayloadError
from botocore.exceptions import ClientError

from adapters.outbound.s3.address import BucketAddress
from adapters.outbound.s3.connection import PATIENCE, Connection, Patience
from adapters.outbound.s3.errors import AlreadyThere, bucket_translated, translated
from adapters.outbound.s3.multiparts import Multiparts
from domain.byte_range import ByteRange
from domain.errors import FileGone, StorageUnavailable

_MARKER = ".longshore"
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


class Bucket:
    """``open`` it before anything else; it belongs to the event loop that did."""

    def __init__(self, address: BucketAddress, patience: Patience = PATIENCE) -> None:
        self.address = address
        self._attempts = patience.attempts
        self._connection = Connection(address, patience)
        self.multiparts = Multiparts(self._connection)
        self._refuses: bool | None = None
        self._finding_out = asyncio.Lock()

    async def open(self) -> None:
        await self._connection.open()

    async def close(self) -> None:
        await self._connection.close()

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
                if not object_.name.startswith(("staged/", "blobs/", "images/", _MARKER)):
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
        async with self._finding_out:
            if self._refuses is None:
                self._refuses = not await self._try_to_overwrite()
            return self._refuses

    async def _try_to_overwrite(self) -> bool:
        bucket_id = await self.identify()
        if bucket_id is None:
            raise StorageUnavailable("the bucket is not there, or not ours")
        try:
            await self.put(_MARKER, bucket_id.encode() + b"\n", only_new=True)
        except AlreadyThere:
            return False
        return True

    # --- objects; multiparts.py makes large ones ---

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
            await self._connection.send("put_object", data, Key=name, **more)

    async def get(self, name: str, wanted: ByteRange | None = None) -> bytes:
        """All its bytes, or those of ``wanted``; for what is small enough to hold.

        Raises:
            FileGone: there is no such object, or it ends before ``wanted`` does.
        """
        if wanted is not None:
            return b"".join([block async for block in self.blocks(name, wanted)])
        with translated():
            try:
                return await self._whole(name)
            except ClientPayloadError:  # it broke off, or was just being replaced (rclone gives what is there by then)
                return await self._whole(name)

    async def _whole(self, name: str) -> bytes:
        answer = await self._connection.call("get_object", Key=name)
        async with answer["Body"] as body:
            return bytes(await body.read())

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
                if attempts == self._attempts:
                    raise

    async def _blocks(self, name: str, wanted: ByteRange) -> AsyncGenerator[bytes, None]:
        with translated():
            try:
                answer = await self._connection.call(
                    "get_object", Key=name, Range=f"bytes={wanted.start}-{wanted.end - 1}"
                )
            except ClientError as error:
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
                answer = await self._connection.call("head_object", Key=name)
        except FileGone:
            return None
        return Described(answer["ContentLength"], answer.get("Metadata", {}))

    async def list(self, prefix: str, *, most: int | None = None) -> AsyncGenerator[Found, None]:
        """Every object whose name begins so, by name; ``most``: no more than the first so many."""
        more: dict[str, Any] = {"MaxKeys": most} if most else {}
        while True:
            with bucket_translated():
                answer = await self._connection.call("list_objects_v2", Prefix=prefix, **more)
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
                    await self._connection.call("delete_object", Key=some[0])
                continue
            with translated():
                answer = await self._connection.call(
                    "delete_objects", Delete={"Objects": [{"Key": name} for name in some], "Quiet": True}
                )
            if answer.get("Errors"):
                raise StorageUnavailable("storage failed: some could not be deleted")

    async def link(self, name: str, *, disposition: str, media_type: str, seconds: int) -> str:
        """A URL that gives the object to anybody for so long, under that name and type."""
        with translated():
            return await self._connection.sign(
                "get_object",
                seconds=seconds,
                Key=name,
                ResponseContentDisposition=disposition,
                ResponseContentType=media_type,
            )
