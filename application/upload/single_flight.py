"""One piece of work for all who ask for the same of an upload at the same time, in this process."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from application.views import UploadView
from domain.ids import UploadId


class _Flight(NamedTuple):
    wish: object
    task: asyncio.Task[UploadView]


class SingleFlight:
    def __init__(self) -> None:
        self._flights: dict[UploadId, _Flight] = {}

    async def join(
        self, upload_id: UploadId, work: Callable[[], Coroutine[Any, Any, UploadView]], *, wish: object = None
    ) -> UploadView:
        """What ``work`` brings, begun here or by somebody who asked before: all with an equal ``wish`` share it, its
        error too. Who wishes something else waits until it is done. One who is cancelled leaves it to the others.
        """
        while (flight := self._flights.get(upload_id)) is not None and flight.wish != wish:
            await asyncio.wait([flight.task])
        if flight is None:
            flight = self._flights[upload_id] = _Flight(wish, asyncio.create_task(work()))
            flight.task.add_done_callback(partial(self._land, upload_id))
        return await asyncio.shield(flight.task)

    def _land(self, upload_id: UploadId, task: asyncio.Task[UploadView]) -> None:
        del self._flights[upload_id]
        if not task.cancelled():
            task.exception()  # nobody may be left to hear of it
