"""How much may still come for uploads whose length nobody has announced: the sum made at their creation can't
bound those."""

from collections import OrderedDict
from dataclasses import dataclass

from domain.ids import OwnerId
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.unit_of_work import UnitOfWorkFactory

_ASKED_EVERY_BYTES = 8 * 1024 * 1024
_OWNERS = 4096


@dataclass(slots=True)
class _Left:
    """What an owner's quota has left, by the repository's word less what has come here since."""

    bytes: int
    spent: int = 0


class Allowances:
    """The repository is asked when a body of unknown size begins, and again for every 8 MiB that have come, not for
    every chunk. So bodies of one owner that run side by side may go past the quota, each by a stretch or two."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, policy: UploadPolicy) -> None:
        self._unit_of_work = unit_of_work
        self._policy = policy
        self._known: OrderedDict[OwnerId, _Left] = OrderedDict()

    async def end(self, upload: Upload, *, announced: int | None) -> int:
        """One past the last byte that may be received now, by a body of ``announced`` bytes (None: unknown).

        Raises:
            QuotaExceeded: the body is announced to be longer than what is left.
        """
        limit = upload.limit(self._policy)
        if not self._bounds(upload):
            return limit
        left = self._known.get(upload.owner)
        if left is None or announced is None or announced > left.bytes:
            left = await self._ask(upload.owner)
        if announced is not None and announced > left.bytes:
            raise self._policy.quota_exceeded()
        return min(limit, upload.offset + max(left.bytes, 0))

    async def spend(self, upload: Upload, size: int) -> None:
        """So many bytes have come.

        Raises:
            QuotaExceeded: no more of them may; others have used up what was left.
        """
        if not self._bounds(upload):
            return
        left = self._known.get(upload.owner) or await self._ask(upload.owner)
        left.bytes -= size
        left.spent += size
        if left.bytes < 0 or left.spent >= _ASKED_EVERY_BYTES:
            left = await self._ask(upload.owner)
            if left.bytes < 0:
                raise self._policy.quota_exceeded()

    async def reserve(self, upload: Upload, size: int) -> None:
        """So many bytes have come, all or none of which are to count.

        Raises:
            QuotaExceeded: there is no room for them.
        """
        if not self._bounds(upload):
            return
        left = self._known.get(upload.owner)
        if left is None or size > left.bytes or left.spent >= _ASKED_EVERY_BYTES:
            left = await self._ask(upload.owner)
        if size > left.bytes:
            raise self._policy.quota_exceeded()
        left.bytes -= size
        left.spent += size

    def excess(self, upload: Upload, *, end: int) -> Exception:
        """What to raise where a body goes past ``end``."""
        return upload.excess(self._policy) if end == upload.limit(self._policy) else self._policy.quota_exceeded()

    def _bounds(self, upload: Upload) -> bool:
        return upload.length is None and self._policy.max_bytes is not None

    async def _ask(self, owner: OwnerId) -> _Left:
        async with self._unit_of_work() as work:
            usage = await work.uploads.usage(owner)
        left = self._known[owner] = _Left((self._policy.max_bytes or 0) - usage.bytes)
        self._known.move_to_end(owner)
        if len(self._known) > _OWNERS:
            self._known.popitem(last=False)
        return left
