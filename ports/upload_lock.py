"""Who may write an upload's bytes now. Contract: tests/contract/test_upload_lock.py."""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from domain.byte_range import ByteRange
from domain.ids import UploadId


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one upload, or with ``range`` those bytes of it."""

    upload_id: UploadId
    token: str
    check: Callable[[], None] = field(default=lambda: None, compare=False)
    """Return if it is certain that nobody else has it, by this process's own clock; for any thread to ask, right before
    it writes: a process that was frozen may wake up when its lease is long gone.

    Raises:
        UploadTakenOver: somebody else has it, or it was given up.
        RepositoryUnavailable: it could not be renewed in time; as far as is known, nobody else has it.
    """
    range: ByteRange | None = None
    generation: str = ""
    """As long as it is the same, nobody has had the whole upload in between; as ``token``, if that is what is held."""

    def __post_init__(self) -> None:
        if not self.generation:
            object.__setattr__(self, "generation", self.token)


class UploadLock(Protocol):
    """One holder a byte, in all processes together; the newest request wins.

    Who holds a whole upload excludes everybody else; holders of ranges that share no byte are side by side. A lease
    is a row with an end, so a dead holder's runs out. Each record of received bytes names its lease's token and
    is refused once that has been lost, so that a holder that was thought dead can do no harm.
    """

    @abstractmethod
    def hold(
        self, upload_id: UploadId, *, on_wanted: Callable[[], None], range_: ByteRange | None = None
    ) -> AbstractAsyncContextManager[Lease]:
        """Hold the upload's lease, or with ``range_`` that of these bytes, while in the block.

        An older holder is asked to let go: its ``on_wanted`` is called (once, from the event loop), and it
        must then leave its block soon. The same is done where the lease is lost; its ``check`` then tells how. Of
        several that wait for the same bytes, the newest gets them, the others give up; but ranges wait until the
        request for the whole that came before them is over. As long as a whole upload's ``token`` is the same,
        nobody else has written in between.

        Raises:
            UploadBusy: the older holder did not let go within the wait (2 s, a dead one's: until it runs out),
                or a still newer request came.
            RepositoryUnavailable: the database is away.
        """

    @abstractmethod
    async def close(self) -> None:
        """Give up whatever is still held."""
