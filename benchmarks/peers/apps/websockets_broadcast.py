"""python websockets_broadcast.py PORT SOCKETS: one message to all, flat out, once SOCKETS are open.

Runs in the peers' own environment; ``broadcast`` is what the documentation of websockets names for this.
"""

import asyncio
import json
import sys
import time

from websockets.asyncio.server import (  # type: ignore[import-not-found, unused-ignore]
    ServerConnection,
    broadcast,
    serve,
)

PORT, SOCKETS = int(sys.argv[1]), int(sys.argv[2])
opened: set[ServerConnection] = set()
all_open = asyncio.Event()


async def keep(connection: ServerConnection) -> None:
    opened.add(connection)
    if len(opened) == SOCKETS:
        all_open.set()
    await connection.wait_closed()
    opened.discard(connection)


def message(number: int) -> str:
    """As long as ours, with the same fields."""
    return json.dumps(
        {
            "type": "upload.progress",
            "sequence": time.time_ns() // 1000,
            "time": "2026-12-01T12:00:00.000Z",
            "upload_id": "01890a5d-ac96-774b-bcce-b302099a8057",
            "filename": "body.bin",
            "offset": number,
            "length": 1 << 30,
            "percent": 12.5,
            "bytes_per_second": 36864,
            "eta_seconds": 29127,
            "state": "uploading",
        },
        separators=(",", ":"),
    )


async def main() -> None:
    async with serve(keep, "127.0.0.1", PORT, compression=None, backlog=4096, ping_interval=None):
        await all_open.wait()
        number = 0
        while True:
            number += 4096
            broadcast(opened, message(number))
            await asyncio.sleep(0)


asyncio.run(main())
