"""What owners do with the files that they have: find them again, change them, take them away and think better of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from application.blob_deletions import BlobDeleter
from application.erasing import erase, find_or_recall
from application.upload.endless_room import EndlessRoom
from application.views import ImageView
from domain.access import NOBODY, Principal
from domain.errors import (
    Conflict,
    FileGone,
    FileNotFound,
    Forbidden,
    InvalidRequest,
    LongshoreError,
    StorageFull,
    Unavailable,
    UploadNotFound,
)
from domain.file import UNDO_LIFE, File, FileChange
from domain.file_list import FileOrder, FilePage, FilePlace, FileSelection
from domain.ids import BlobKey, FileId, OwnerId, UploadId
from domain.upload_state import UploadState
from ports.blob_storage import BlobStorage
from ports.clock import Clock
from ports.room import Room
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

ANY_OWNER = OwnerId("*")
"""In place of an owner: whoever it is."""
_IMAGES_AT_ONCE = 500
_ATTEMPTS = 5
_NOTHING: Mapping[str, str] = {}
_TOO_LATE = "the file has been deleted for good"
T = TypeVar("T")
Check = Callable[[File], None]


def _anything(_: File) -> None:
    """It may be as it is."""


class FileUseCase:
    """``given`` is what the caller shows as a credential. A file that is not the caller's to change is FileNotFound, or
    CredentialRefused where a credential guards it; one that is over is FileExpired."""

    def __init__(
        self, *, unit_of_work: UnitOfWorkFactory, blobs: BlobStorage, clock: Clock, room: Room | None = None
    ) -> None:
        """``room``: None: bytes come until storage is full."""
        self._unit_of_work = unit_of_work
        self._deleter = BlobDeleter(unit_of_work, blobs)
        self._clock = clock
        self._room = room or EndlessRoom()

    async def list(
        self,
        principal: Principal,
        selection: FileSelection,
        order: FileOrder = FileOrder.NEWEST,
        *,
        after: FilePlace | None = None,
        limit: int = 100,
    ) -> FilePage:
        """Files that are there, a page at a time. Without an owner in the ``selection`` the principal's (an
        administrator's, too: only their own); with ``ANY_OWNER`` everybody's, by creation time alone.

        Raises:
            Forbidden: someone else's, to all but administrators.
            InvalidRequest: everybody's, in another order.
        """
        selection = replace(selection, owner=_owner_for(principal, selection.owner))
        if selection.owner is None and order.value_name != "created_at":
            raise InvalidRequest("sort: everybody's files come by created_at alone")
        async with self._unit_of_work() as work:
            return await work.files.list(selection, order, after=after, now=self._clock.now(), limit=limit)

    async def change(
        self,
        principal: Principal,
        file_id: FileId,
        change: FileChange,
        given: Mapping[str, str] = _NOTHING,
        *,
        check: Check = _anything,
    ) -> File:
        """The file as it is then. ``check`` is given it as it was; what it raises keeps it so.

        Raises:
            InvalidRequest: naming what can't be so.
            Conflict: others change it all the time.
        """
        for _ in range(_ATTEMPTS):
            now = self._clock.now()
            async with self._unit_of_work() as work:
                was = await find_or_recall(work, principal, file_id)
                was.check_changed_by(principal, given, now)
                check(was)
                file = was.changed(change, now)
                if await work.files.save(file, was=was):
                    await work.commit()
                    return file
        raise Conflict("the file is being changed by others: try again")

    async def delete(
        self,
        principal: Principal,
        file_id: FileId,
        given: Mapping[str, str] = _NOTHING,
        *,
        undoable: bool = False,
        check: Check = _anything,
    ) -> datetime | None:
        """Delete the file with its upload's record, and its bytes unless another file shares them: that stands even if
        the bytes can't go just now, for cleanup sees to it.

        ``undoable``: it goes to the bin instead, as if it were deleted, to be restored until the time that is returned.
        None: it is gone for good, for its bytes are in the way of others'. ``check``: as ``change`` has it.
        """
        undoable = undoable and await self._has_room()
        keys: Sequence[BlobKey] = ()
        now, until = self._clock.now(), None
        async with self._unit_of_work() as work:
            file = await find_or_recall(work, principal, file_id)
            file.check_changed_by(principal, given, now)
            check(file)
            if undoable:
                until = now + UNDO_LIFE
                await _bin(work, file_id, until, now)
            else:
                keys = await erase(work, file_id, now)
            await work.commit()
        for key in keys:
            await self._deleter.delete_now(key)
        return until

    async def restore(self, principal: Principal, file_id: FileId, given: Mapping[str, str] = _NOTHING) -> File:
        """Take the file out of the bin; one that is not in there is left as it is.

        Raises:
            FileGone: it has been deleted for good.
        """
        now = self._clock.now()
        async with self._unit_of_work() as work:
            file = await self._find_deleted(work, principal, file_id)
            file.check_owned_by(principal, given)
            restored = replace(file, restorable_until=None)
            if file.restorable_until is not None:
                if not await work.files.restore(file_id, now):
                    raise FileGone(_TOO_LATE)
                await work.uploads.follow_file(UploadId(file_id), UploadState.COMPLETED, now)
                restored.check_here(now)
                await work.commit()
        restored.check_here(now)
        return restored

    async def delete_many(
        self, principal: Principal, file_ids: Sequence[FileId], *, undoable: bool = False
    ) -> Mapping[FileId, datetime | LongshoreError | None]:
        """What became of each: as ``delete`` has it, or why not. One that can't be deleted keeps none of the others."""
        return {file_id: await _or_error(self.delete(principal, file_id, undoable=undoable)) for file_id in file_ids}

    async def restore_many(
        self, principal: Principal, file_ids: Sequence[FileId]
    ) -> Mapping[FileId, File | LongshoreError]:
        """As ``delete_many``."""
        return {file_id: await _or_error(self.restore(principal, file_id)) for file_id in file_ids}

    async def _has_room(self) -> bool:
        try:
            await self._room.check(0)
        except StorageFull:
            return False
        return True

    async def _find_deleted(self, work: UnitOfWork, principal: Principal, file_id: FileId) -> File:
        try:
            return await work.files.find(file_id)
        except FileNotFound:
            with suppress(UploadNotFound):
                if (await work.uploads.get(UploadId(file_id), principal)).left_no_file:
                    raise FileGone(_TOO_LATE) from None
            raise

    async def images_of(self, files: Sequence[File]) -> Mapping[FileId, ImageView]:
        """Of those that an image was made of."""
        known: dict[FileId, ImageView] = {}
        async with self._unit_of_work() as work:
            for start in range(0, len(files), _IMAGES_AT_ONCE):
                some = {file.id: file for file in files[start : start + _IMAGES_AT_ONCE]}
                images = await work.images.find_many(some.keys())
                known |= {image_id: ImageView.of(image, some[image_id]) for image_id, image in images.items()}
        return known


def _owner_for(principal: Principal, wanted: OwnerId | None) -> OwnerId | None:
    """None: everybody."""
    if wanted in (None, principal.owner) or principal.owner == NOBODY:  # what is nobody's is everyone's
        return principal.owner
    if not principal.is_admin:
        raise Forbidden("other people's files are for administrators")
    return None if wanted == ANY_OWNER else wanted


async def _bin(work: UnitOfWork, file_id: FileId, until: datetime, now: datetime) -> None:
    if not await work.files.bin(file_id, until):
        raise FileNotFound("no such file")  # it went just now
    # Whoever would go on with its upload is told that there is none, too.
    await work.uploads.follow_file(UploadId(file_id), UploadState.ABORTED, now)


async def _or_error(done: Awaitable[T]) -> T | LongshoreError:
    try:
        return await done
    except LongshoreError as error:
        if isinstance(error, Unavailable):
            raise  # so it would be with the others
        return error
