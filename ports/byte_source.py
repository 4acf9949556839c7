"""What a request body is to the core: bytes that come when asked for, once, in order."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol


class ByteSource(Protocol):
    """A body of bytes from a client; nothing is read from the wire before the first call of ``read`` or ``pour``.

    The core never holds more than one block of it: who doesn't ask, slows the sender down.
    """

    @property
    @abstractmethod
    def length(self) -> int | None:
        """How many bytes the body was announced to have; None if that was not said."""

    @property
    @abstractmethod
    def is_cut(self) -> bool:
        """Whether the body ended before its announced end, by the client's doing or by ``stop``."""

    @abstractmethod
    async def read(self, limit: int) -> bytes:
        """The next bytes, at least 1 and at most ``limit``; ``b""`` once the body has ended or was cut."""

    @abstractmethod
    async def gather(self, limit: int) -> bytes:
        """The next ``limit`` bytes, fewer only at the body's end; for bodies small enough to hold in memory."""

    @abstractmethod
    async def whole(self, limit: int, *, seconds: float) -> bytes | None:
        """All of the body, if it comes whole within ``seconds`` and has at most ``limit`` bytes; else None, and it is
        as if nothing had been read."""

    @abstractmethod
    async def pour(self, fd: int, *, at: int, limit: int, seconds: float, permit: Callable[[], None]) -> int:
        """Write the next bytes into ``fd`` from position ``at`` on; return how many.

        Stops after ``limit`` bytes, after ``seconds`` (then it may return early with what there is, at least
        1 byte), or at the body's end: 0 means there is nothing more. ``permit`` is asked right before each write,
        perhaps in another thread; what it raises keeps that from being done and is raised here. The bytes need not
        pass through this process: who has to see them reads them back.

        Raises:
            OSError: from the write; what was written before may be in the file.
        """

    @abstractmethod
    def stop(self) -> None:
        """End the body here: pending and later reads return what has arrived, then nothing. For a lost lease."""
