"""Uploads under their leases, kept from one request to the next. See docs/decisions/0002."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from domain.access import Principal
from domain.ids import UploadId
from domain.upload import Upload
from ports.unit_of_work import UnitOfWorkFactory
from ports.upload_lock import Lease, UploadLock

_MAX_WARM = 4096
_NONE = (None, None)


class WarmUploads:
    """Uploads as last committed, by the token of the lease they were committed under: while the token stays the same
    nobody else has written, and a chunk costs no query."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, lock: UploadLock) -> None:
        self._unit_of_work = unit_of_work
        self._lock = lock
        self._warm: OrderedDict[UploadId, tuple[str, Upload]] = OrderedDict()

    def opened(
        self, principal: Principal, upload_id: UploadId, let_go: Callable[[], None] = lambda: None
    ) -> AbstractAsyncContextManager[tuple[Upload, Lease]]:
        """The upload under its lease; ``let_go`` is called when somebody else wants it.

        After a failure in the block it is read anew: memory may be ahead of the repository.

        Raises:
            UploadNotFound: unknown, or not to be seen by ``principal``; before anybody's request is ended for it.
            UploadBusy: the holder did not let go.
        """
        return _Opened(self, principal, upload_id, self._lock.hold(upload_id, on_wanted=let_go))

    async def read(self, principal: Principal, upload_id: UploadId) -> Upload:
        """The upload as the repository has it, disturbing nobody."""
        async with self._unit_of_work() as work:
            return await work.uploads.get(upload_id, principal)

    def forget(self, upload_id: UploadId) -> None:
        self._warm.pop(upload_id, None)

    def known(self, upload_id: UploadId) -> Upload | None:
        """As it was last seen here; others may have written since."""
        return self._warm.get(upload_id, _NONE)[1]

    def take(self, lease: Lease) -> Upload | None:
        """The upload, if nobody else can have written; whoever takes it keeps it when it is done."""
        token, upload = self._warm.pop(lease.upload_id, _NONE)
        return upload if token == lease.token else None

    def keep(self, lease: Lease, upload: Upload) -> None:
        if upload.state.is_open:
            self._warm[upload.id] = (lease.token, upload)
            if len(self._warm) > _MAX_WARM:
                self._warm.popitem(last=False)


class _Opened(AbstractAsyncContextManager[tuple[Upload, Lease]]):
    """A class, for this is the way of every chunk: contextlib's generators would cost it a twentieth of its time."""

    __slots__ = ("_hold", "_opened", "_principal", "_upload_id", "_uploads")

    def __init__(
        self,
        uploads: WarmUploads,
        principal: Principal,
        upload_id: UploadId,
        hold: AbstractAsyncContextManager[Lease],
    ) -> None:
        self._uploads = uploads
        self._principal = principal
        self._upload_id = upload_id
        self._hold = hold

    async def __aenter__(self) -> tuple[Upload, Lease]:
        known = self._uploads.known(self._upload_id) or await self._uploads.read(self._principal, self._upload_id)
        known.check_seen_by(self._principal)
        lease = await self._hold.__aenter__()
        try:
            upload = self._uploads.take(lease) or await self._uploads.read(self._principal, self._upload_id)
            self._opened = upload, lease
        except BaseException as error:
            await self._hold.__aexit__(type(error), error, error.__traceback__)
            raise
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            upload, lease = self._opened
            self._uploads.keep(lease, upload)
        await self._hold.__aexit__(kind, error, trace)
