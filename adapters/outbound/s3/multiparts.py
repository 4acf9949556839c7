"""Multipart uploads: objects that are put together of parts, which come in any order and can't be read before."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.outbound.s3.connection import Connection
from adapters.outbound.s3.errors import NoSuchMultipart, NotSupported, bucket_translated, multipart_translated
from domain.byte_range import ByteRange


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


class Multiparts:
    """A bucket's, over its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, name: str, *, metadata: Mapping[str, str]) -> str:
        """Begin a multipart upload that will become the object ``name``; return its id."""
        takes_crc = self._connection.takes_crc
        checked = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"} if takes_crc else {}
        try:
            with bucket_translated():
                answer = await self._connection.call(
                    "create_multipart_upload", Key=name, Metadata=dict(metadata), **checked
                )
        except NotSupported:
            if not takes_crc:
                raise
            self._connection.takes_crc = False
            return await self.begin(name, metadata=metadata)
        return str(answer["UploadId"])

    async def put_part(self, name: str, multipart_id: str, number: int, data: bytes) -> str:
        """Return the part's version once it is durable; the same number again replaces the part."""
        with multipart_translated():
            answer = await self._connection.send(
                "upload_part", data, Key=name, UploadId=multipart_id, PartNumber=number
            )
        return _plain(answer["ETag"])

    async def copy_part(self, name: str, multipart_id: str, number: int, source: str, wanted: ByteRange) -> str:
        """As ``put_part``, with bytes of another object that never leave the service.

        Raises:
            NotSupported.
        """
        with multipart_translated():
            answer = await self._connection.call(
                "upload_part_copy",
                Key=name,
                UploadId=multipart_id,
                PartNumber=number,
                CopySource={"Bucket": self._connection.address.name, "Key": source},
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
                answer = await self._connection.call("list_parts", Key=name, UploadId=multipart_id, **more)
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
            await self._connection.call(
                "complete_multipart_upload", Key=name, UploadId=multipart_id, MultipartUpload={"Parts": listed}
            )

    async def abort(self, name: str, multipart_id: str) -> None:
        with suppress(NoSuchMultipart), multipart_translated():
            await self._connection.call("abort_multipart_upload", Key=name, UploadId=multipart_id)

    async def under_way(self, prefix: str) -> AsyncIterator[Multipart]:
        """Those for objects whose name begins so, begun and not ended."""
        more: dict[str, Any] = {}
        while True:
            try:
                with bucket_translated():
                    answer = await self._connection.call("list_multipart_uploads", Prefix=prefix, **more)
            except NoSuchMultipart:
                return  # rclone's word for none
            for entry in answer.get("Uploads", []):
                yield Multipart(entry["Key"], entry["UploadId"], entry["Initiated"])
            if not answer.get("IsTruncated"):
                return
            more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}


def _plain(etag: str) -> str:
    """Without its quotes: radosgw leaves them out at times."""
    return etag.strip('"')
