"""An upload's row: begun, and saved with what its client tells later. Its received ranges are the ledger's."""

from collections.abc import Callable
from dataclasses import replace

from domain.access import Principal
from domain.events import EventType
from domain.file_draft import FileDraft
from domain.ids import UploadId
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadKind
from ports.clock import Clock
from ports.id_generator import IdGenerator
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory


class UploadRecords:
    def __init__(
        self, *, unit_of_work: UnitOfWorkFactory, clock: Clock, ids: IdGenerator, policy: UploadPolicy
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids
        self._policy = policy

    def new(
        self,
        principal: Principal,
        draft: FileDraft,
        *,
        length: int | None,
        kind: UploadKind = UploadKind.WHOLE,
        parts: tuple[str, ...] = (),
        watch_id: str = "",
        completes_on_request: bool = False,
    ) -> Upload:
        """One that nobody knows of yet.

        Raises:
            UploadTooLarge
        """
        if length is not None:
            self._policy.check_length(length)
        now = self._clock.now()
        return Upload(
            id=UploadId(self._ids.new()),
            owner=principal.owner,
            length=length,
            draft=draft,
            created_at=now,
            updated_at=now,
            expires_at=self._policy.expiry(now),
            kind=kind,
            parts=parts,
            watch_id=watch_id,
            completes_on_request=completes_on_request,
        )

    async def begin(self, upload: Upload) -> None:
        """Raises:
        TooManyOpenUploads, TooManyFiles, QuotaExceeded: nothing is kept.
        """
        async with self._unit_of_work() as work:
            await work.uploads.add(upload)
            await self.check_quota(work, upload)
            work.announce(upload.event(EventType.CREATED, upload.created_at))
            await work.commit()

    async def declare_length(self, upload: Upload, length: int, check: Callable[[Upload], None]) -> None:
        """Set a deferred length, for good once this returns; told again, nothing is changed.

        ``check`` is given the upload with that length before anything is noted: what was told may be wrong, and told
        right next time. What it raises is raised here.

        Raises:
            InconsistentLength: another one has been told, or more bytes have been received.
            UploadTooLarge, QuotaExceeded
        """
        told = replace(upload)
        is_news = told.declare_length(length, self._policy)
        check(told)
        if is_news:
            async with self._unit_of_work() as work:
                await work.uploads.save(told)
                await self.check_quota(work, told)
                await work.commit()
            upload.declare_length(length, self._policy)

    async def save(self, upload: Upload, announced: EventType) -> None:
        async with self._unit_of_work() as work:
            await work.uploads.save(upload)
            work.announce(upload.event(announced, upload.updated_at))
            await work.commit()

    async def check_quota(self, work: UnitOfWork, upload: Upload) -> None:
        """After the change, within its unit of work: then no two can slip past the quota side by side.

        One look at one row, however much the owner has. Of several uploads that one owner adds in one unit of work it
        is enough to ask for the last one.

        Raises:
            TooManyOpenUploads, TooManyFiles, QuotaExceeded: at once or at the commit.
        """
        if self._policy.has_quota:
            await work.uploads.check_usage(upload.owner, self._policy)
