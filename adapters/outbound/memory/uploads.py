"""Uploads in memory. Contract: tests/contract/test_upload_repository.py."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from adapters.outbound.memory.database import Holding, MemoryDatabase, copy_of
from domain.access import Principal
from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.errors import UploadNotFound, UploadTakenOver
from domain.file import File
from domain.ids import BlobKey, DetailId, FileId, InstructionId, JobId, OwnerId, UploadId
from domain.image import Image
from domain.instruction import Detail, Instruction
from domain.job import Job
from domain.received_image import ImageSession, ReceivedImage
from domain.upload import Upload
from domain.upload_policy import UploadPolicy, Usage
from domain.upload_state import UploadState
from ports.upload_repository import OpenPlace, UploadRepository, Wanted

K = TypeVar("K")
V = TypeVar("V")


class Changes:
    """What one unit of work has changed and not committed; None: deleted."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database
        self.uploads: dict[UploadId, Upload | None] = {}
        self.received: dict[UploadId, list[Extent]] = {}  # of uploads that are added, or folded
        self.following: set[UploadId] = set()  # of those that become what their files do
        self.files: dict[FileId, File | None] = {}
        self.images: dict[FileId, Image | None] = {}
        self.received_images: dict[tuple[ImageSession, int], ReceivedImage | None] = {}
        self.instructions: dict[InstructionId, Instruction | None] = {}
        self.details: dict[DetailId, Detail | None] = {}
        self.jobs: dict[JobId, Job | None] = {}
        self.blob_deletions: dict[BlobKey, datetime | None] = {}

    def upload(self, upload_id: UploadId) -> Upload | None:
        if upload_id in self.uploads:
            return self.uploads[upload_id]
        return self.database.uploads.get(upload_id)

    def file(self, file_id: FileId) -> File | None:
        if file_id in self.files:
            return self.files[file_id]
        return self.database.files.get(file_id)

    def all_files(self) -> list[File]:
        ids = self.database.files.keys() | self.files.keys()
        return [file for id_ in ids if (file := self.file(id_)) is not None]

    def image(self, image_id: FileId) -> Image | None:
        image = self.images[image_id] if image_id in self.images else self.database.images.get(image_id)
        return None if image is None or self.file(image_id) is None else image

    def all_images(self) -> list[Image]:
        ids = self.database.images.keys() | self.images.keys()
        return [image for id_ in ids if (image := self.image(id_)) is not None]

    def all_received_images(self) -> list[ReceivedImage]:
        kept = {**self.database.received_images, **self.received_images}.values()
        return [image for image in kept if image is not None and self.file(image.file_id) is not None]

    def instruction(self, instruction_id: InstructionId) -> Instruction | None:
        return self.instructions.get(instruction_id) or self.database.instructions.get(instruction_id)

    def all_instructions(self) -> list[Instruction]:
        kept = {**self.database.instructions, **self.instructions}.values()
        return [instruction for instruction in kept if instruction is not None]

    def all_details(self) -> list[Detail]:
        kept = {**self.database.details, **self.details}.values()
        return [detail for detail in kept if detail is not None]

    def job(self, job_id: JobId) -> Job | None:
        return self.jobs[job_id] if job_id in self.jobs else self.database.jobs.get(job_id)

    def all_jobs(self) -> list[Job]:
        ids = self.database.jobs.keys() | self.jobs.keys()
        return [job for id_ in ids if (job := self.job(id_)) is not None]

    def blob_deletion(self, key: BlobKey) -> datetime | None:
        if key in self.blob_deletions:
            return self.blob_deletions[key]
        return self.database.blob_deletions.get(key)

    def extents(self, upload_id: UploadId) -> list[Extent]:
        return self.received.get(upload_id) or self.database.received.get(upload_id, [])

    def check(self) -> None:
        """Raise UploadTakenOver if what is to be saved has been ended by another unit of work."""
        for upload_id, upload in self.uploads.items():
            known = self.database.uploads.get(upload_id)
            if upload is not None and known is not None and upload_id not in self.following:
                _check_not_ended(known, upload)

    def apply(self) -> None:
        self._count()
        _merge(self.database.uploads, self.uploads)
        _merge(self.database.files, self.files)
        _merge(self.database.images, self.images)
        _merge(self.database.received_images, self.received_images)
        _merge(self.database.instructions, self.instructions)
        _merge(self.database.details, self.details)
        _merge(self.database.jobs, self.jobs)
        _merge(self.database.blob_deletions, self.blob_deletions)
        self.database.received.update(self.received)
        for upload_id, upload in self.uploads.items():
            if upload is None:
                self.database.received.pop(upload_id, None)
        self.forget()

    def usage(self, owner: OwnerId) -> Usage:
        known = self.database.holdings.get(owner, Holding())
        changed = {id_ for id_, upload in self.uploads.items() if upload is not None and upload.owner == owner}
        uploads = [upload for id_ in known.open_uploads | changed if (upload := self.upload(id_)) is not None]
        unfinished = [upload for upload in uploads if upload.state.is_open]
        held = sum(self._held(upload) for upload in unfinished)
        files, size = self._more_files(owner)
        return Usage(
            open_uploads=len(unfinished),
            files=known.files + files + sum(upload.becomes_file for upload in unfinished),
            bytes=known.bytes + size + held,
        )

    def _held(self, upload: Upload) -> int:
        return ReceivedRanges(self.extents(upload.id)).size if upload.length is None else upload.length

    def _more_files(self, owner: OwnerId) -> tuple[int, int]:
        """How many files, and bytes of files, the owner will have more than are committed."""
        count = size = 0
        for file_id, file in self.files.items():
            for sign, one in ((1, file), (-1, self.database.files.get(file_id))):
                if one is not None and one.owner == owner:
                    count += sign
                    size += sign * one.size
        return count, size

    def _count(self) -> None:
        holdings, known = self.database.holdings, self.database.files
        owners = {file.owner for id_ in self.files for file in (self.files[id_], known.get(id_)) if file is not None}
        for owner in owners:
            count, size = self._more_files(owner)
            holding = holdings.setdefault(owner, Holding())
            holding.files += count
            holding.bytes += size
        for upload_id, upload in self.uploads.items():
            last = upload or self.database.uploads.get(upload_id)
            if last is not None:
                open_uploads = holdings.setdefault(last.owner, Holding()).open_uploads
                open_uploads.discard(upload_id)
                if upload is not None and upload.state.is_open:
                    open_uploads.add(upload_id)

    def forget(self) -> None:
        self.uploads.clear()
        self.following.clear()
        self.received.clear()
        self.files.clear()
        self.images.clear()
        self.received_images.clear()
        self.instructions.clear()
        self.details.clear()
        self.jobs.clear()
        self.blob_deletions.clear()


def _merge(kept: dict[K, V], changed: dict[K, V | None]) -> None:
    for key, value in changed.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value


def _check_not_ended(known: Upload, upload: Upload) -> None:
    if not known.state.is_open and known.state is not upload.state:
        raise UploadTakenOver("a newer request has ended this upload")


class MemoryUploadRepository(UploadRepository):
    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def add(self, upload: Upload) -> None:
        if self._changes.upload(upload.id) is not None:
            raise ValueError("an upload of that id is kept already")
        self._changes.uploads[upload.id] = copy_of(upload, [])
        self._changes.received[upload.id] = list(upload.received)

    async def get(self, upload_id: UploadId, principal: Principal) -> Upload:
        upload = self._changes.upload(upload_id)
        if upload is None or not principal.may_see(upload.owner):
            raise UploadNotFound("no such upload")
        return self._copy(upload)

    async def find_watched(self, wanted: Collection[Wanted]) -> Mapping[Wanted, Upload]:
        watch_ids = {watch_id for watch_id, _ in wanted}
        found = sorted(self._where(lambda upload: upload.watch_id in watch_ids), key=_age)
        return {
            (watch_id, principal): upload  # the newest comes last and stays
            for watch_id, principal in wanted
            for upload in found
            if upload.watch_id == watch_id and principal.may_see(upload.owner)
        }

    async def received_within(self, upload_id: UploadId, wanted: ByteRange) -> Sequence[Extent]:
        found = [extent for extent in self._changes.extents(upload_id) if extent.range.overlaps(wanted)]
        return sorted(found, key=lambda extent: extent.range)

    async def settle_chunk_size(self, upload_id: UploadId, chunk_size: int) -> int | None:
        known = self._changes.upload(upload_id)
        if known is None:
            return None
        if known.chunk_size is None:
            known = self._copy(known)
            known.settle_chunk_size(chunk_size)
            self._changes.uploads[upload_id] = known
        return known.chunk_size

    async def save(self, upload: Upload) -> None:
        known = self._changes.upload(upload.id)
        if known is None:
            raise UploadNotFound("no such upload")
        _check_not_ended(known, upload)
        self._changes.uploads[upload.id] = copy_of(upload, [])
        if upload.can_be_folded:
            self._changes.received[upload.id] = list(upload.received)

    async def delete(self, upload_id: UploadId) -> None:
        self._changes.uploads[upload_id] = None
        self._changes.received.pop(upload_id, None)

    async def follow_file(self, upload_id: UploadId, state: UploadState, now: datetime) -> None:
        known = self._changes.upload(upload_id)
        if known is not None:
            self._changes.following.add(upload_id)
            self._changes.uploads[upload_id] = replace(self._copy(known), state=state, updated_at=now)

    async def list_open(self, principal: Principal, *, limit: int) -> Sequence[Upload]:
        found = self._where(lambda upload: upload.owner == principal.owner and upload.state.is_open)
        return sorted(found, key=_age, reverse=True)[:limit]

    async def usage(self, owner: OwnerId) -> Usage:
        return self._changes.usage(owner)

    async def check_usage(self, owner: OwnerId, policy: UploadPolicy) -> None:
        policy.check_usage(self._changes.usage(owner))

    async def list_expired(self, now: datetime, *, limit: int) -> Sequence[Upload]:
        found = self._where(lambda upload: upload.state.is_open and upload.expires_at <= now)
        return sorted(found, key=lambda upload: (upload.expires_at, upload.id))[:limit]

    async def forget_ended(self, *, before: datetime, limit: int) -> int:
        ended = self._where(lambda upload: upload.left_no_file and upload.updated_at < before)
        for upload in ended[:limit]:
            await self.delete(upload.id)
        return len(ended[:limit])

    async def list_assembling(
        self, *, after: OpenPlace | None, limit: int
    ) -> tuple[Sequence[Upload], OpenPlace | None]:
        found = self._where(lambda upload: upload.state.is_open and (after is None or _place(upload) > after))
        looked_at = sorted(found, key=_place)[:limit]
        ready = [upload for upload in looked_at if upload.becomes_file and upload.is_ready]
        return ready, _place(looked_at[-1]) if len(looked_at) == limit else None

    async def open_among(self, ids: Collection[UploadId]) -> set[UploadId]:
        found = ((id_, self._changes.upload(id_)) for id_ in ids)
        return {id_ for id_, upload in found if upload is not None and upload.state.is_open}

    async def is_known(self, upload_id: UploadId) -> bool:
        return self._changes.upload(upload_id) is not None

    def _where(self, is_wanted: Callable[[Upload], bool]) -> list[Upload]:
        ids = self._changes.database.uploads.keys() | self._changes.uploads.keys()
        uploads = (self._changes.upload(id_) for id_ in ids)
        return [self._copy(upload) for upload in uploads if upload is not None and is_wanted(upload)]

    def _copy(self, upload: Upload) -> Upload:
        return copy_of(upload, self._changes.extents(upload.id))


def _age(upload: Upload) -> tuple[datetime, UploadId]:
    return upload.created_at, upload.id


def _place(upload: Upload) -> OpenPlace:
    return upload.expires_at, upload.id
