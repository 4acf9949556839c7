"""Who may write an upload's bytes now. Contract: tests/contract/test_upload_lock.py."""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from domain.ids import UploadId


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one upload. As long as ``token`` is the same, nobody else has written in between."""

    upload_id: UploadId
    token: str
    is_safe: Callable[[], bool] = field(default=lambda: True, compare=False)
    """Whether it is certain that nobody else has it, by this process's own clock; for any thread to ask, right before
    it writes: a process that was frozen may wake up when its lease is long gone."""


class UploadLock(Protocol):
    """One holder an upload, in all processes together; the newest request wins.

    A lease is a row with an end, so a dead holder's runs out. Each record of received bytes names its
    lease's token and is refused once that has been lost, so that a holder that was thought dead can do no harm.
    """

    @abstractmethod
    def hold(self, upload_id: UploadId, *, on_wanted: Callable[[], None]) -> AbstractAsyncContextManager[Lease]:
        """Hold the upload's lease while in the block.

        An older holder is asked to let go: its ``on_wanted`` is called (once, from the event loop), and it
        must then leave its block soon. Of several that wait, the newest gets the lease, the others give up.

        Raises:
            UploadBusy: the older holder did not let go within the wait (2 s, a dead one's: until it runs out),
                or a still newer request came.
            RepositoryUnavailable: the database is away.
        """

    @abstractmethod
    async def close(self) -> None:
        """Give up whatever is still held."""
