"""Descriptors of staged files, kept open from one small chunk of an upload to the next, where there are enough."""

import os
import resource
import sys
import time
from collections import OrderedDict
from contextlib import suppress

from domain.ids import UploadId

_KEPT = 256
KEPT_SECONDS = 10.0


class StagedFiles:
    """For any thread: who takes a descriptor has it alone, until it is given back or closed.

    A descriptor may outlive its file's name, so who takes one looks whether the file is still there. None is kept
    for long: the room of a file that another process deletes is free only when nobody has it open.
    """

    def __init__(self, *, kept_seconds: float = KEPT_SECONDS) -> None:
        self.kept_seconds = kept_seconds
        self._at_most = min(_KEPT, max(1, _descriptors() // 8))
        self._kept: OrderedDict[UploadId, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, upload_id: UploadId) -> int | None:
        fd, _ = self._kept.pop(upload_id, (None, 0.0))
        return fd

    def give_back(self, upload_id: UploadId, fd: int) -> None:
        self.forget(upload_id)
        self._kept[upload_id] = fd, time.monotonic()
        if len(self._kept) > self._at_most:
            self._close_oldest()

    def forget(self, upload_id: UploadId) -> None:
        fd = self.take(upload_id)
        if fd is not None:
            os.close(fd)

    def close_idle(self) -> None:
        """Those that nobody has taken for ``kept_seconds``; call it twice in that time."""
        self._close_since(time.monotonic() - self.kept_seconds)

    def close_all(self) -> None:
        self._close_since(time.monotonic())

    def _close_since(self, until: float) -> None:
        for upload_id, (_, since) in list(self._kept.items()):
            if since <= until:
                self.forget(upload_id)

    def _close_oldest(self) -> None:
        with suppress(KeyError):  # another thread was faster
            _, (fd, _) = self._kept.popitem(last=False)
            os.close(fd)


def _descriptors() -> int:
    """How many this process may have open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize
