"""How uploads stand, for whoever asks; and what a fault left unfinished is finished for them."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from application.upload.completing import UploadCompleting
from application.upload.single_flight import SingleFlight
from application.upload.warm_uploads import WarmUploads
from application.views import UploadView
from domain.access import Principal
from domain.errors import FileNotFound, UploadBusy
from domain.ids import FileId, UploadId
from domain.upload import Upload
from ports.clock import Clock
from ports.unit_of_work import UnitOfWorkFactory


class UploadLooking:
    def __init__(
        self, *, uploads: WarmUploads, completing: UploadCompleting, unit_of_work: UnitOfWorkFactory, clock: Clock
    ) -> None:
        self._uploads = uploads
        self._completing = completing
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._settling = SingleFlight()

    async def inspect(self, principal: Principal, upload_id: UploadId) -> UploadView:
        """See ``UploadUseCase.inspect``."""
        view = await self.look_at(principal, upload_id)
        if view.file_id is not None:
            await self._check_lasts(view.file_id)
        if not view.state.is_open:
            return view
        try:
            # Those who ask at the same time wait together, or each would end the one before.
            return await self._settling.join(upload_id, partial(self._settle, principal, upload_id))
        except UploadBusy:
            upload = await self._read(principal, upload_id)
            if upload.is_ready:
                raise  # to many a client all bytes mean a file, and whoever makes it may still fail
            return UploadView.of(upload)  # a writer came meanwhile: this is what counts so far

    async def look_at(self, principal: Principal, upload_id: UploadId) -> UploadView:
        return UploadView.of(await self._read(principal, upload_id))

    async def list_open(self, principal: Principal, *, limit: int) -> Sequence[UploadView]:
        now = self._clock.now()
        async with self._unit_of_work() as work:
            uploads = await work.uploads.list_open(principal, limit=limit)
        return [UploadView.of(upload) for upload in uploads if now < upload.expires_at]

    async def _read(self, principal: Principal, upload_id: UploadId) -> Upload:
        upload = await self._uploads.read(principal, upload_id)
        upload.check_here(self._clock.now())
        return upload

    async def _check_lasts(self, file_id: FileId) -> None:
        """A client that asks whether all has arrived would be told so of a file that nobody can open any more.

        Raises:
            FileExpired
        """
        async with self._unit_of_work() as work:
            with suppress(FileNotFound):  # as its upload is told of
                (await work.files.find(file_id)).check_here(self._clock.now())

    async def _settle(self, principal: Principal, upload_id: UploadId) -> UploadView:
        async with self._uploads.opened(principal, upload_id) as (upload, _):
            upload.check_here(self._clock.now())
            await self._completing.complete_if_whole(upload)
            return UploadView.of(upload)
