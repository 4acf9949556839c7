"""One complete upload of several partial ones (tus 1.0 §Concatenation); docs/decisions/0004."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from application.upload.completing import UploadCompleting
from application.upload.ending import UploadEnding
from application.upload.receiving import Receiver
from application.upload.records import UploadRecords
from application.upload.warm_uploads import WarmUploads
from application.views import UploadView
from domain.access import Principal
from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.errors import InvalidParts, LongshoreError, TooManyParts
from domain.file_draft import FileDraft
from domain.ids import UploadId
from domain.upload import Upload
from domain.upload_state import UploadKind
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.room import Room
from ports.unit_of_work import UnitOfWorkFactory

# One request has all of them copied, and their names go with each HEAD, of which a proxy or a client takes some KiB.
_MAX_PARTS = 100
_MAX_NAMES = 8 * 1024


class UploadJoining:
    def __init__(
        self,
        *,
        uploads: WarmUploads,
        records: UploadRecords,
        receiver: Receiver,
        completing: UploadCompleting,
        ending: UploadEnding,
        unit_of_work: UnitOfWorkFactory,
        storage: ChunkStorage,
        clock: Clock,
        room: Room,
    ) -> None:
        self._uploads = uploads
        self._records = records
        self._receiver = receiver
        self._completing = completing
        self._ending = ending
        self._unit_of_work = unit_of_work
        self._storage = storage
        self._clock = clock
        self._room = room

    async def join(
        self, principal: Principal, part_ids: Sequence[UploadId], draft: FileDraft, names: Sequence[str]
    ) -> UploadView:
        """See ``UploadUseCase.join``."""
        if not part_ids:
            raise InvalidParts("a final upload joins at least one part")
        if len(part_ids) > _MAX_PARTS or sum(map(len, names)) > _MAX_NAMES:
            raise TooManyParts(f"a final upload joins at most {_MAX_PARTS} parts, named by {_MAX_NAMES} letters")
        known = {part_id: await self._part(principal, part_id) for part_id in dict.fromkeys(part_ids)}
        parts = [known[part_id] for part_id in part_ids]
        length = sum(part.offset for part in parts)
        final = self._records.new(
            principal, draft, length=length, kind=UploadKind.FINAL, parts=tuple(names or part_ids)
        )
        await self._room.check(length)
        await self._records.begin(final)
        async with (
            self._ending.or_nothing(principal, final.id),
            self._uploads.opened(principal, final.id) as (upload, lease),
        ):
            await self._storage.join(upload.id, [(part.id, part.offset) for part in parts])
            for extent in _laid_end_to_end(parts):
                await self._receiver.record(upload, lease, extent)
            await self._completing.complete(upload)
            await self._part_with(known.values())
            return UploadView.of(upload)

    async def _part(self, principal: Principal, part_id: UploadId) -> Upload:
        part = await self._uploads.read(principal, part_id)
        part.check_here(self._clock.now())
        part.check_part()
        return part

    async def _part_with(self, parts: Iterable[Upload]) -> None:
        """The parts are done with; those that can't be told so, or are gone already, go when their time runs out."""
        now = self._clock.now()
        with suppress(LongshoreError):
            async with self._unit_of_work() as work:
                for part in parts:
                    if part.is_joined:  # before, into another one
                        continue
                    part.join(now)
                    self._uploads.forget(part.id)
                    await work.uploads.save(part)
                await work.commit()


def _laid_end_to_end(parts: Sequence[Upload]) -> ReceivedRanges:
    joined = ReceivedRanges()
    for part in parts:
        if part.offset:
            at = joined.end
            joined.add(Extent(ByteRange(at, at + part.offset), part.received.crc64()))
    return joined
