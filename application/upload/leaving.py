"""Has a request whose upload, or range of it, somebody else wants come to its end."""

import asyncio

from domain.errors import UploadTakenOver
from ports.byte_source import ByteSource
from ports.upload_lock import Lease


class Leaving:
    """``grace_seconds``: what is being sent may be there in a moment; a twin then finds the same bytes, and both are
    successes."""

    def __init__(self, source: ByteSource, *, grace_seconds: float = 0.0) -> None:
        self._source = source
        self._grace_seconds = grace_seconds
        self._has_stopped = False
        self._alarm: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        if self._grace_seconds:
            self._alarm = asyncio.get_running_loop().call_later(self._grace_seconds, self._stop)
        else:
            self._stop()

    def end(self) -> None:
        """The request is over by itself."""
        if self._alarm is not None:
            self._alarm.cancel()

    def check(self, lease: Lease) -> None:
        """Raise if the body was cut because of the other one.

        Raises:
            UploadTakenOver
            RepositoryUnavailable: the lease only ran out; that is our trouble, not a newer request.
        """
        if self._has_stopped and self._source.is_cut:
            lease.check()
            raise UploadTakenOver("a newer request for this upload took over")

    def _stop(self) -> None:
        self._has_stopped = True
        self._source.stop()
