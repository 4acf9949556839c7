"""A subscriber of ``/ws/progress`` that writes down what it is told, in a thread of its own."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any, Self

from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.support.until import until

Message = dict[str, Any]


class ProgressWatcher:
    """From entering the block until leaving it; ``messages`` grows meanwhile."""

    def __init__(self, url: str, upload_id: str) -> None:
        self.messages: list[Message] = []
        self._url = f"{url.replace('http', 'ws', 1)}/ws/progress?upload_id={upload_id}"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._watch()), daemon=True)
        self._over = threading.Event()

    def wait_for(self, wanted: Callable[[Message], bool], *, within: float) -> Message:
        """The first message that is ``wanted``."""

        def found() -> Message | None:
            return next((message for message in list(self.messages) if wanted(message)), None)

        message = until(found, lambda: f"only this was told: {self.messages}", within=within)
        assert message is not None
        return message

    async def _watch(self) -> None:
        connection: WebSocketClientConnection = await websocket_connect(self._url)
        reading = asyncio.create_task(self._read(connection))
        await asyncio.to_thread(self._over.wait)
        connection.close()
        await reading

    async def _read(self, connection: WebSocketClientConnection) -> None:
        while (text := await connection.read_message()) is not None:
            self.messages.append(json.loads(text))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
