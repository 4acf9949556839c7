"""``longshore ls | get | rm | share | watch``."""

import argparse
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from longshore.client.asynchronous import AsyncClient
from longshore.client.command.bars import shown
from longshore.client.command.output import Output, instant, size_of
from longshore.client.errors import BrokenOff, ClientError, NotAllowed, ServerAway
from longshore.client.records import Progress

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_OVER = {"COMPLETED": True, "ABORTED": False, "EXPIRED": False, "FAILED": False}


async def list_files(client: AsyncClient, options: argparse.Namespace, output: Output) -> int:
    if options.open:
        for upload in await client.open_uploads():
            of = size_of(upload.length) if upload.length is not None else "?"
            about = {"id": upload.id, "name": upload.name, "offset": upload.offset, "length": upload.length}
            output.tell(f"{upload.id}  {size_of(upload.offset)} of {of}  {upload.name}", about)
        return 0
    left = options.limit
    async for file in client.files(name=options.name, media_type=options.type, sort=options.sort):
        if left is not None:
            if left == 0:
                break
            left -= 1
        at = f"{file.created_at.astimezone():%Y-%m-%d %H:%M}" if file.created_at else "-"
        about = {
            "id": file.id,
            "name": file.name,
            "path": file.path or None,
            "size": file.size,
            "media_type": file.media_type,
            "created_at": instant(file.created_at),
            "visibility": file.visibility,
            "url": file.url,
        }
        output.tell(f"{file.id}  {size_of(file.size):>10}  {at:16}  {file.path or file.name}", about)
    return 0


async def fetch(client: AsyncClient, options: argparse.Namespace, output: Output) -> int:
    if options.output == "-":
        for named in options.files:
            await client.write_to(await _resolved(client, named), sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return 0

    async def one(named: str) -> None:
        with shown(output, count=1, size=0) as view:
            row = view.begin(named, 0)
            path = await client.get(
                await _resolved(client, named),
                Path(options.output),
                overwrites=options.force,
                on_progress=lambda progress: view.move(row, progress),
            )
            view.end(row, is_stored=True)
        size = path.stat().st_size
        output.tell(f"fetched {path} ({size_of(size)})", {"event": "fetched", "file": str(path), "size": size})

    return await _each(options.files, one, output)


async def remove(client: AsyncClient, options: argparse.Namespace, output: Output) -> int:
    async def one(named: str) -> None:
        file_id = await _resolved(client, named, may_be_link=False)
        await client.delete(file_id)
        output.tell(f"deleted {named}", {"event": "deleted", "id": file_id})

    return await _each(options.files, one, output)


async def link(client: AsyncClient, options: argparse.Namespace, output: Output) -> int:
    async def one(named: str) -> None:
        file_id = await _resolved(client, named, may_be_link=False)
        seconds = None if options.life is None else int(options.life)
        made = await client.share(file_id, seconds=seconds, disposition="inline" if options.inline else None)
        about = {"event": "shared", "id": file_id, "url": made.url, "expires_at": instant(made.expires_at)}
        output.tell(made.url, about)

    return await _each(options.files, one, output)


async def watch(client: AsyncClient, options: argparse.Namespace, output: Output) -> int:
    """Without ids until Ctrl-C; else until all are over, and 0 only if each became a file."""
    left, broken = {each.lower() for each in options.uploads}, 0
    with shown(output, count=1, size=0) as view:
        rows: dict[str, int] = {}
        async for event in client.watch(*options.uploads):
            upload_id = str(event.get("upload_id") or "")
            if event.get("type") == "error":
                raise ClientError(f"the server says: {event.get('code')}")
            if not output.shows_bars or event.get("type") != "upload.progress":
                with view.aside():
                    output.tell(_words(event), dict(event))
            is_over = str(event.get("state")) in _OVER
            if upload_id not in rows and not is_over:
                rows[upload_id] = view.begin(str(event.get("filename") or upload_id), int(event.get("length") or 0))
            if upload_id in rows:
                offset = int(event.get("offset") or 0)
                view.move(rows[upload_id], Progress(offset, offset, int(event.get("length") or 0)))
            if is_over and upload_id in rows:
                view.end(rows.pop(upload_id), is_stored=_OVER[str(event["state"])])
            if is_over and upload_id.lower() in left:
                left.discard(upload_id.lower())
                broken += not _OVER[str(event["state"])]
                if not left:
                    break
    if broken:
        raise BrokenOff(f"{broken} of {len(options.uploads)} uploads ended without a file")
    return 0


def _words(event: Mapping[str, Any]) -> str:
    kind = str(event.get("type") or "").rpartition(".")[2]
    percent = event.get("percent")
    far = f"{percent} %" if percent is not None else size_of(int(event.get("offset") or 0))
    speed = event.get("bytes_per_second")
    at = f", {size_of(speed)}/s" if speed else ""
    return f"{kind:<9} {event.get('upload_id')}  {far}{at}  {event.get('filename') or ''}"


async def _resolved(client: AsyncClient, named: str, *, may_be_link: bool = True) -> str:
    """What is meant: an id and, where it may be one, a link as they are; else the one file of that name."""
    if _ID.fullmatch(named) or (may_be_link and "/" in named):
        return named
    found = [file async for file in client.files(name=named) if named in (file.name, file.path)]
    if len(found) == 1:
        return found[0].id
    if not found:
        raise ClientError(f"there is no file called {named}")
    raise ClientError(f"{len(found)} files are called {named}; say by id which one: longshore ls {named}")


async def _each(named: list[str], act: Callable[[str], Awaitable[None]], output: Output) -> int:
    """One that fails keeps no other from its way; the exit code."""
    failures: list[Exception] = []
    for each in named:
        try:
            await act(each)
        except BrokenPipeError:
            raise
        except (ClientError, OSError) as error:
            failures.append(error)
            output.complain(error, of=each)
    kinds = {type(error) for error in failures}
    return 0 if not failures else 3 if kinds == {ServerAway} else 4 if kinds == {NotAllowed} else 1
