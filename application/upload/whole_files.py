"""Small files that come whole by one request: a phone's photos, by the thousand.

Nobody can know such an upload before its answer, so it needs no lease, no receipt of its own and no second look: it
is complete when it is first recorded, in one transaction that it shares with all that come just then. What is large,
was cut or has a digest that may be another file's goes the ordinary way.
"""

from collections.abc import Sequence

from application.digest import DigestUseCase
from domain.checksum import Checksum, Comparison
from domain.errors import ChecksumMismatch
from domain.events import EventType
from domain.ids import blob_key_of
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadKind
from ports.byte_source import ByteSource
from ports.clock import Clock
from ports.file_intake import FileIntake

_PATIENCE_SECONDS = 1.0  # a body that takes longer is to show its progress


class WholeFiles:
    """``intake``: None where storage has no quicker way for them."""

    def __init__(
        self, *, intake: FileIntake | None, digests: DigestUseCase, clock: Clock, policy: UploadPolicy
    ) -> None:
        self._intake = intake
        self._digests = digests
        self._clock = clock
        self._policy = policy

    async def take(self, new: Upload, source: ByteSource, checksums: Sequence[Checksum]) -> bool:
        """Whether the body has come, whole and small, and ``new`` is complete; else both are as they were.

        Raises:
            ChecksumMismatch: of ``checksums``, one is of other bytes.
            UploadTooLarge, QuotaExceeded, TooManyFiles, StorageFull and other Unavailable: nothing is kept.
        """
        intake = self._intake
        if intake is None or new.draft.checksums or not _may_be_taken(new, source):
            return False
        new.check_append(at=0, announced=source.length, policy=self._policy)
        data = await source.whole(intake.max_bytes, seconds=_PATIENCE_SECONDS)
        if not data:
            return False
        _compare(data, checksums)
        now = self._clock.now()
        created = new.event(EventType.CREATED, new.created_at)
        new.count(new.receipt(intake.extent(data), now, self._policy, in_order=True), now)
        new.declare_length(new.offset, self._policy)
        progress = new.event(EventType.PROGRESS, now)
        new.assemble()
        file = new.complete(blob_key=blob_key_of(new.id), now=now)
        events = [created, progress, new.event(EventType.COMPLETED, now)]
        await intake.take(new, file, events, data, policy=self._policy)
        self._digests.notice(file)
        return True


def _compare(data: bytes, checksums: Sequence[Checksum]) -> None:
    comparison = Comparison(checksums)
    comparison.update(data)
    if (differing := comparison.differing()) is not None:
        raise ChecksumMismatch(f"the body's {differing.algorithm} is another one")


def _may_be_taken(new: Upload, source: ByteSource) -> bool:
    is_watched = new.watch_id != new.id  # by whoever chose that: it is to be seen from its first byte on
    is_all = new.length is None or source.length == new.length
    return new.kind is UploadKind.WHOLE and is_all and not (is_watched or new.completes_on_request)
