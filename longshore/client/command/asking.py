"""``longshore ls | get | rm | share | watch``."""

import argparse
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from longshore.client.asynchronous import AsyncClient
from longshore.client.command.bars import Shown, shown
from longshore.client.command.output import Output, instant, size_of
from longshore.client.errors import BrokenOff, ClientError, NotAllowed, ServerAway
from longshore.client.records import Progress

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_LINKED = re.compile(r"(?:^|/)(?:files|uploads|images|details)/([0-9a-f]{32})(?:[/?#]|$)", re.ASCII | re.IGNORECASE)
_ARCHIVE = re.compile(r"(?:^|/)files/archive\?")
_ERRORS = {"not_found": "there is no such upload"}
_OVER = {"COMPLETED": True, "ABORTED": False, "EXPIRED": False, "FAILED": False}


async def list_files(client: AsyncClient, options: argparse.Namespace, output: Output) -> int:
    if options.open:
        for upload in await client.open_uploads():
            of = size_of(upload.length) if upload.length is not None else "?"
            about = {"id": upload.id, "name": upload.name, "offset": upload.offset, "length": upload.length}
            output.tell(f"{upload.id}  {size_of(upload.offset)} of {of}  {upload.name}", about)
        return 0
    count = 0
    async for file in client.files(find=options.name, media_type=options.type, sort=options.sort):
        if count == options.limit:
            break
        count += 1
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
    if count == 0:
        output.note("there is no such file" if options.name or options.type else "nothing is stored yet")
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
            upload_id, state = str(event.get("upload_id") or ""), str(event.get("state"))
            if error := _error_of(event):
                if upload_id.lower() not in left:
                    raise error
                with view.aside():
                    output.complain(error, of=upload_id)
            else:
                _show(event, view, rows, output)
            if (error or state in _OVER) and upload_id.lower() in left:
                left.discard(upload_id.lower())
                broken += not _OVER.get(state, False)
                if not left:
                    break
    if broken:
        raise BrokenOff(f"{broken} of {len(options.uploads)} uploads ended without a file")
    return 0


def _show(event: Mapping[str, Any], view: Shown, rows: dict[str, int], output: Output) -> None:
    """``rows``: of those that are under way, by their ids."""
    if not output.shows_bars or event.get("type") != "upload.progress":
        with view.aside():
            output.tell(_words(event), dict(event))
    upload_id, state = str(event.get("upload_id") or ""), str(event.get("state"))
    if upload_id not in rows and state not in _OVER:
        rows[upload_id] = view.begin(str(event.get("filename") or upload_id), int(event.get("length") or 0))
    if upload_id in rows:
        offset = int(event.get("offset") or 0)
        view.move(rows[upload_id], Progress(offset, offset, int(event.get("length") or 0)))
    if state in _OVER and upload_id in rows:
        view.end(rows.pop(upload_id), is_stored=_OVER[state])


def _error_of(event: Mapping[str, Any]) -> ClientError | None:
    if event.get("type") != "error":
        return None
    code = str(event.get("code"))
    return ClientError(str(event.get("detail") or _ERRORS.get(code) or f"the server says: {code}"))


def _words(event: Mapping[str, Any]) -> str:
    kind = str(event.get("type") or "").rpartition(".")[2]
    percent = event.get("percent")
    far = f"{percent} %" if percent is not None else size_of(int(event.get("offset") or 0))
    speed = event.get("bytes_per_second")
    at = f", {size_of(speed)}/s" if speed else ""
    return f"{kind:<9} {event.get('upload_id')}  {far}{at}  {event.get('filename') or ''}"


async def _resolved(client: AsyncClient, named: str, *, may_be_link: bool = True) -> str:
    """What is meant: an id and, where it may be one, a link as they are; else the one file of that name or path."""
    if _ID.fullmatch(named):
        return named
    linked = _LINKED.search(named)
    if _ADDRESS.match(named) or linked or _ARCHIVE.search(named):
        if may_be_link:
            return named
        if linked and client.content_url(named).startswith(f"{client.url}/"):
            return linked[1]
        raise ClientError("that is a link; an id or a name is needed: longshore ls")
    name = named.rpartition("/")[2]  # a path ends with it
    if not name:  # of all files some have no path
        raise ClientError("that is no file's name")
    found = [file async for file in client.files(name=name) if named in (file.name, file.path)]
    if len(found) == 1:
        return found[0].id
    if not found:
        raise ClientError(f"there is no file called {named}")
    raise ClientError(f"{len(found)} files are called {named}; say by id which one: longshore ls {name}")


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
