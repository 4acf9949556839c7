"""Longshore in an asyncio program that has no web server: ours runs on its loop.

python examples/with_asyncio.py [port [folder]]
curl -T holiday.mov http://127.0.0.1:8000/upload/
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # from a checkout; installed, it needs no path

from longshore.embed import Event, UploadEvent, on_disk
from longshore.serving import serving


def tell(event: Event) -> None:
    if isinstance(event, UploadEvent) and event.type.is_last:
        print(f"{event.type}: {event.filename}", flush=True)


async def main(port: int, folder: Path) -> None:
    async with on_disk(folder) as longshore, serving(longshore, port=port) as bound:
        longshore.feed.listen(tell, lambda: None)
        print(f"upload to http://127.0.0.1:{bound}/uploads", flush=True)
        await longshore.keep_house()


if __name__ == "__main__":
    given, place = [*sys.argv[1:], *["8000", "./store"][len(sys.argv) - 1 :]]
    asyncio.run(main(int(given), Path(place)))
