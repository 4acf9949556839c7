"""Getting a lease that somebody else has: at once from the dead, soon from the living, later from all."""

import asyncio
import itertools

from adapters.outbound.sql.locks.bell import Bell
from adapters.outbound.sql.locks.leases import Found, SqlLeases, Taken
from adapters.outbound.sql.locks.patience import Patience
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from domain.errors import UploadBusy
from domain.ids import UploadId
from ports.clock import Clock

requests = itertools.count()


class Contest:
    """One request's attempt; it ends with the lease, or UploadBusy."""

    def __init__(
        self,
        upload_id: UploadId,
        leases: SqlLeases,
        me: ProcessIdentity,
        *,
        clock: Clock,
        patience: Patience,
        bell: Bell,
    ) -> None:
        self._upload_id = upload_id
        self._leases = leases
        self._me = me
        self._name = f"{me.instance}:{next(requests)}"
        self._clock = clock
        self._patience = patience
        self._bell = bell
        self._began = clock.monotonic()
        self._asked = False
        self._first: Found | None = None

    async def win(self, given_up: asyncio.Event) -> Taken:
        """The lease. ``given_up``: a newer request of this process has come.

        Raises:
            UploadBusy: a newer request came, or the holder did not let go in time.
        """
        while not given_up.is_set():
            taken = await self._try()
            if taken is not None:
                return taken
            await self._bell.wait(given_up, within=self._patience.poll)
        raise UploadBusy("a newer request for this upload has come")

    async def _try(self) -> Taken | None:
        if not self._asked:
            self._asked = await self._leases.want(self._upload_id, by=self._name)
            if not self._asked:
                self._check_patience(None)
                return await self._leases.claim(self._upload_id)  # its holder has just let go
            self._bell.ring()
        found = await self._leases.find(self._upload_id)
        if found is None or found.wanted_by != self._name:
            raise UploadBusy("a newer request for this upload has come")
        if self._is_left(found):
            return await self._leases.take_over(self._upload_id, token=found.token, wanted_by=self._name)
        self._check_patience(found)
        return None

    def _is_left(self, found: Found) -> bool:
        if found.is_over:
            return True
        if found.is_shared:
            return all(map(self._me.knows_dead, found.holders))
        # One of our own that nobody here knows of is what a cancelled request left.
        [holder] = found.holders
        return holder == self._me or self._me.knows_dead(holder)

    def _check_patience(self, found: Found | None) -> None:
        self._first = self._first or found
        lives = (
            found is None
            or self._first is None
            or found.expires_at != self._first.expires_at  # somebody renews it
            or any(map(self._me.knows_alive, found.holders))
        )
        if self._clock.monotonic() - self._began >= self._patience.with_holder(lives=lives):
            raise UploadBusy("another request for this upload has not let go")
