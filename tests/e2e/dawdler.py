"""A client too slow for the server. What comes of it shows after a minute, so it is started long before."""

import contextlib
import threading
import time

from tests.support.wire import Closed, Connection


class Dawdler:
    """Drips (or says nothing at all) and notes when it was cut off."""

    def __init__(self, connection: Connection, *, drip: bytes) -> None:
        self._connection = connection
        self._drip = drip
        self._began = time.monotonic()
        self._cut_after: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._dawdle)
        self._thread.start()

    def cut_after(self, *, within: float) -> float | None:
        """Seconds after which the server hung up; None if it had not ``within`` that many."""
        self._thread.join(max(0.0, self._began + within - time.monotonic()))
        return self._cut_after

    def status(self) -> int | None:
        """Of the reply that came before the end; None if there was none."""
        assert self._cut_after is not None, "it has not been cut off"
        try:
            return self._connection.receive().status
        except Closed:
            return None

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def _dawdle(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                self._connection.send(self._drip)
            if self._connection.ends(within=1.0):
                self._cut_after = time.monotonic() - self._began
                return
