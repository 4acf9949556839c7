"""Longshore inside a program of one's own: resumable, durable uploads without a web server.

python examples/embed.py [folder]      brings a file in, first in memory, then with SQLite and a folder
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # from a checkout; installed, it needs no path

from longshore.embed import (
    Event,
    FileDraft,
    IterableSource,
    Longshore,
    UploadEvent,
    UploadId,
    UploadView,
    file_id_of,
    in_memory,
    on_disk,
    user,
)

MEBIBYTE = 1024 * 1024
ME = user("me")


async def blocks(data: bytes) -> AsyncIterator[bytes]:
    """Stands for whatever the bytes come from: a socket, a camera, another process."""
    for start in range(0, len(data), 64 * 1024):
        yield data[start : start + 64 * 1024]
        await asyncio.sleep(0)


async def begin(longshore: Longshore, length: int) -> UploadId:
    draft = FileDraft.of(filename="holiday.mov", media_type="video/quicktime")
    upload = await longshore.core.uploads.create(ME, draft, length=length)
    print(f"  began {upload.id}, {upload.length} bytes to come")
    return upload.id


async def send(longshore: Longshore, upload_id: UploadId, data: bytes) -> UploadView:
    """Go on where the upload stands, which may be in the middle of ``data``."""
    offset = (await longshore.core.uploads.inspect(ME, upload_id)).offset
    source = IterableSource(blocks(data[offset:]))
    view = await longshore.core.uploads.append(ME, upload_id, at=offset, source=source)
    print(f"  sent from byte {offset}, stored {view.offset} of {view.length}: {view.state}")
    return view


async def compare(longshore: Longshore, upload_id: UploadId, data: bytes) -> None:
    file = await longshore.core.downloads.describe(ME, file_id_of(upload_id))
    content = b"".join([block async for block in longshore.read(ME, file.id)])
    verdict = "byte for byte the same" if content == data else "NOT WHAT WAS SENT"
    print(f"  read {file.name} back, {len(content)} bytes, {file.checksum}: {verdict}")


def tell(event: Event) -> None:
    if isinstance(event, UploadEvent) and event.type.is_last:
        print(f"  heard: {event.type} at byte {event.offset}")


async def main(folder: Path) -> None:
    print("In memory:")
    movie = os.urandom(MEBIBYTE)
    longshore = in_memory()
    longshore.feed.listen(tell, lambda: None)
    upload_id = await begin(longshore, len(movie))
    await send(longshore, upload_id, movie[:700_000])  # the connection breaks here
    await send(longshore, upload_id, movie)
    await compare(longshore, upload_id, movie)

    print("With SQLite and a folder:")
    try:
        await durably(folder)
    except ModuleNotFoundError as error:
        print(f"  left out, for it needs {error.name}: docs/embedding.md says what else")


async def durably(folder: Path) -> None:
    movie = os.urandom(20 * MEBIBYTE)
    async with on_disk(folder) as longshore:
        upload_id = await begin(longshore, len(movie))
        await send(longshore, upload_id, movie[: 12 * MEBIBYTE])
    print("  ... the program ends and is started again ...")
    async with on_disk(folder) as longshore:
        longshore.feed.listen(tell, lambda: None)
        await send(longshore, upload_id, movie)
        await compare(longshore, upload_id, movie)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(main(Path([*sys.argv, scratch][1])))
