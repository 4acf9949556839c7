"""Uploads under their leases, kept from one request to the next. See docs/decisions/0002."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType

from domain.access import Principal
from domain.ids import UploadId
from domain.receipt import Receipt
from domain.upload import Upload
from ports.clock import Clock
from ports.unit_of_work import UnitOfWorkFactory
from ports.upload_lock import Lease, UploadLock

_MAX_WARM = 4096
_FRESH_SECONDS = 1.0


@dataclass(slots=True)
class _Warm:
    generation: str
    upload: Upload
    read_at: float


class WarmUploads:
    """Uploads as last committed, by the generation of the leases that they were committed under.

    While that stays the same nobody else has had the whole upload, and a chunk costs no query. Who holds a whole upload
    then knows all of it; beside holders of ranges other processes record theirs, which a look now and then brings.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, lock: UploadLock, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._lock = lock
        self._clock = clock
        self._warm: OrderedDict[UploadId, _Warm] = OrderedDict()

    def opened(
        self, principal: Principal, upload_id: UploadId, let_go: Callable[[], None] = lambda: None
    ) -> AbstractAsyncContextManager[tuple[Upload, Lease]]:
        """The upload under its lease; ``let_go`` is called when somebody else wants it.

        After a failure in the block it is read anew: its verbs may be ahead of the repository.

        Raises:
            UploadNotFound: unknown, or not to be seen by ``principal``; before anybody's request is ended for it.
            UploadBusy: the holder did not let go.
        """
        return _Opened(self, principal, upload_id, self._lock.hold(upload_id, on_wanted=let_go))

    def begun(
        self, principal: Principal, upload: Upload, let_go: Callable[[], None]
    ) -> AbstractAsyncContextManager[tuple[Upload, Lease]]:
        """As ``opened``, for an upload that this very request has begun: nobody has written to it meanwhile."""
        return _Opened(self, principal, upload.id, self._lock.hold(upload.id, on_wanted=let_go), begun=upload)

    async def read(self, principal: Principal, upload_id: UploadId) -> Upload:
        """The upload as the repository has it, disturbing nobody."""
        async with self._unit_of_work() as work:
            return await work.uploads.get(upload_id, principal)

    async def shared(self, principal: Principal, lease: Lease) -> tuple[Upload, Sequence[Receipt]]:
        """The upload under the lease of a range; and, if it was read anew, what makes few rows of many."""
        now = self._clock.monotonic()
        warm = self._warm.get(lease.upload_id)
        if warm is not None and warm.generation == lease.generation:
            if now - warm.read_at < _FRESH_SECONDS:
                return warm.upload, ()
            warm.read_at = now  # who comes meanwhile need not read it, too
        upload = await self.read(principal, lease.upload_id)
        folds = upload.folds()
        if (known := self.under(lease)) is not None:
            upload.learn(known.received)
        self.keep(lease, upload)
        return upload, folds

    def known(self, upload_id: UploadId) -> Upload | None:
        """As it was last seen here; others may have written since."""
        warm = self._warm.get(upload_id)
        return None if warm is None else warm.upload

    def under(self, lease: Lease) -> Upload | None:
        """The upload, if nobody has had the whole of it but under leases of this one's generation."""
        warm = self._warm.get(lease.upload_id)
        return warm.upload if warm is not None and warm.generation == lease.generation else None

    def keep(self, lease: Lease, upload: Upload) -> None:
        if not upload.state.is_open:
            self.forget(upload.id)
            return
        self._warm[upload.id] = _Warm(lease.generation, upload, self._clock.monotonic())
        self._warm.move_to_end(upload.id)
        if len(self._warm) > _MAX_WARM:
            self._warm.popitem(last=False)

    def forget(self, upload_id: UploadId) -> None:
        self._warm.pop(upload_id, None)


class _Opened(AbstractAsyncContextManager[tuple[Upload, Lease]]):
    """A class, for this is the way of every chunk: contextlib's generators would cost it a twentieth of its time."""

    __slots__ = ("_begun", "_hold", "_opened", "_principal", "_upload_id", "_uploads")

    def __init__(
        self,
        uploads: WarmUploads,
        principal: Principal,
        upload_id: UploadId,
        hold: AbstractAsyncContextManager[Lease],
        *,
        begun: Upload | None = None,
    ) -> None:
        self._uploads = uploads
        self._principal = principal
        self._upload_id = upload_id
        self._hold = hold
        self._begun = begun

    async def __aenter__(self) -> tuple[Upload, Lease]:
        uploads, principal, upload_id = self._uploads, self._principal, self._upload_id
        known = self._begun or uploads.known(upload_id) or await uploads.read(principal, upload_id)
        known.check_seen_by(principal)
        lease = await self._hold.__aenter__()
        try:
            upload = self._begun or uploads.under(lease) or await uploads.read(principal, upload_id)
            self._opened = upload, lease
        except BaseException as error:
            await self._hold.__aexit__(type(error), error, error.__traceback__)
            raise
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        upload, lease = self._opened
        if error is None:
            self._uploads.keep(lease, upload)
        else:
            self._uploads.forget(upload.id)
        await self._hold.__aexit__(kind, error, trace)
