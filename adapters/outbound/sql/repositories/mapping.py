"""Rows to entities and back, written out; entities know nothing of it."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import RowMapping

from adapters.outbound.sql.crc64 import signed, unsigned
from domain.access import Credential, Visibility
from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.file import File
from domain.file_draft import FileDraft
from domain.file_name import folded
from domain.ids import BlobKey, FileId, JobId, OwnerId, UploadId
from domain.image import Image, ImageStatus
from domain.job import Job, JobState
from domain.metadata import Metadata
from domain.received_image import ImageSession, ReceivedImage
from domain.rendition import Box, Rendition
from domain.trace import parse_trace
from domain.upload import Upload
from domain.upload_state import UploadKind, UploadState

Row = Mapping[str, Any]


def upload_to_row(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "owner": upload.owner,
        "watch_id": upload.watch_id,
        "kind": upload.kind.value,
        "state": upload.state.value,
        "length": upload.length,
        "metadata": _metadata_to_text(upload.draft.metadata),
        "parts": json.dumps(upload.parts),
        "completes_on_request": upload.completes_on_request,
        "chunk_size": upload.chunk_size,
        "created_at": upload.created_at,
        "updated_at": upload.updated_at,
        "expires_at": upload.expires_at,
        **_access_to_row(upload.draft),
        "sha512": upload.draft.sha512,
    }


def upload_from_row(row: RowMapping, ranges: Iterable[RowMapping]) -> Upload:
    extents = [extent_from_row(range_) for range_ in ranges]
    return Upload(
        id=UploadId(row["id"]),
        owner=OwnerId(row["owner"]),
        length=row["length"],
        draft=FileDraft(
            metadata=_metadata_from_text(row["metadata"]),
            visibility=Visibility(row["visibility"]),
            credential=Credential.of(_map_from_text(row["credential"])),
            detail=_map_from_text(row["detail"]),
            sha256=row["sha256"],
            sha512=row["sha512"],
        ),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        kind=UploadKind(row["kind"]),
        parts=tuple(json.loads(row["parts"])),
        completes_on_request=row["completes_on_request"],
        chunk_size=row["chunk_size"],
        state=UploadState(row["state"]),
        watch_id=row["watch_id"],
        received=ReceivedRanges(extents),
        _unfolded=len(extents),  # else an upload that moves between processes would never be folded
    )


def extent_to_row(upload_id: UploadId, extent: Extent) -> dict[str, Any]:
    return {
        "upload_id": upload_id,
        "range_start": extent.range.start,
        "range_end": extent.range.end,
        "crc64": signed(extent.crc64),
    }


def extent_from_row(row: RowMapping) -> Extent:
    return Extent(ByteRange(row["range_start"], row["range_end"]), unsigned(row["crc64"]))


def file_to_row(file: File) -> dict[str, Any]:
    return {
        "id": file.id,
        "owner": file.owner,
        "name": file.name,
        "media_type": file.media_type,
        "size": file.size,
        "crc64": signed(file.crc64),
        "blob_key": file.blob_key,
        "created_at": file.created_at,
        **_access_to_row(file),
        "folded_name": folded(file.name),
        "path": file.path,
        "expires_at": file.expires_at,
        "restorable_until": file.restorable_until,
        "crc32": file.crc32,
    }


def file_from_row(row: RowMapping) -> File:
    return File(
        id=FileId(row["id"]),
        owner=OwnerId(row["owner"]),
        name=row["name"],
        media_type=row["media_type"],
        size=row["size"],
        crc64=unsigned(row["crc64"]),
        blob_key=BlobKey(row["blob_key"]),
        created_at=row["created_at"],
        visibility=Visibility(row["visibility"]),
        credential=Credential.of(_map_from_text(row["credential"])),
        detail=_map_from_text(row["detail"]),
        sha256=row["sha256"],
        path=row["path"],
        expires_at=row["expires_at"],
        restorable_until=row["restorable_until"],
        crc32=row["crc32"],
    )


def image_to_row(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "watch_id": image.watch_id,
        "status": image.status.value,
        "error": image.error.replace("\0", ""),  # PostgreSQL's text knows no NUL
        "created_at": image.created_at,
        "updated_at": image.updated_at,
    }


def image_from_row(row: RowMapping, renditions: Iterable[RowMapping]) -> Image:
    return Image(
        id=FileId(row["id"]),
        watch_id=row["watch_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        status=ImageStatus(row["status"]),
        error=row["error"],
        renditions=tuple(_rendition_from_row(rendition) for rendition in renditions),
    )


def rendition_to_row(image_id: FileId, rendition: Rendition) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "box": rendition.box.value,
        "width": rendition.width,
        "height": rendition.height,
        "media_type": rendition.media_type,
        "size": rendition.size,
        "blob_key": rendition.blob_key,
    }


def _rendition_from_row(row: RowMapping) -> Rendition:
    return Rendition(
        box=Box(row["box"]),
        width=row["width"],
        height=row["height"],
        media_type=row["media_type"],
        size=row["size"],
        blob_key=BlobKey(row["blob_key"]),
    )


def job_to_row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "subject": job.subject,
        "state": job.state.value,
        "attempts": job.attempts,
        "token": job.token,
        "error": job.error.replace("\0", ""),
        "created_at": job.created_at,
        "due_at": job.due_at,
        "payload": job.payload,
        "traceparent": str(job.trace) if job.trace else None,
    }


def job_from_row(row: RowMapping) -> Job:
    return Job(
        id=JobId(row["id"]),
        kind=row["kind"],
        subject=row["subject"],
        state=JobState(row["state"]),
        attempts=row["attempts"],
        token=row["token"],
        error=row["error"],
        created_at=row["created_at"],
        due_at=row["due_at"],
        payload=row["payload"],
        trace=parse_trace(row["traceparent"] or ""),
    )


def received_image_to_row(image: ReceivedImage) -> dict[str, Any]:
    session = image.session
    return {
        "owner": session.owner,
        "user_id": session.user_id,
        "session_id": session.session_id,
        "position": image.index,
        "file_id": image.file_id,
        "name": image.name,
        "dhash": signed(image.dhash),
    }


def received_image_from_row(row: RowMapping, session: ImageSession) -> ReceivedImage:
    return ReceivedImage(
        session=session,
        index=row["position"],
        file_id=FileId(row["file_id"]),
        name=row["name"],
        dhash=unsigned(row["dhash"]) or 0,
    )


def _access_to_row(of: FileDraft | File) -> dict[str, Any]:
    return {
        "visibility": of.visibility.value,
        "credential": _map_to_text(of.credential.values if of.credential else None),
        "detail": _map_to_text(of.detail),
        "sha256": of.sha256,
    }


def _map_to_text(values: Mapping[str, str] | None) -> str | None:
    return None if values is None else json.dumps(dict(values))  # in ASCII: PostgreSQL's text knows no NUL


def _map_from_text(text: str | None) -> dict[str, str] | None:
    return None if text is None else dict(json.loads(text))


def _metadata_to_text(metadata: Metadata) -> str:
    # A list of pairs, for the order counts; base64, for values are any bytes.
    return json.dumps([(key, None if value is None else b64encode(value).decode()) for key, value in metadata.pairs])


def _metadata_from_text(text: str) -> Metadata:
    return Metadata(tuple((key, None if value is None else b64decode(value)) for key, value in json.loads(text)))
