"""``longshore put``: files and whole folders, several at a time; one that fails keeps no other from its way."""

import argparse
import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from longshore.client.asynchronous import AsyncClient
from longshore.client.command.bars import Shown, shown
from longshore.client.command.output import Output, size_of
from longshore.client.errors import ClientError, NotAllowed, ServerAway
from longshore.client.records import Progress

_JUNK = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_WORST_LAST = (ServerAway, NotAllowed)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to be sent; ``fault``: it can't be. ``relative_path``: in the folder that was named."""

    path: Path
    relative_path: str | None = None
    fault: OSError | None = None
    size: int = 0


def candidates(named: str) -> Iterator[Candidate]:
    """What is meant by an argument: the file, or all below the folder but what file managers leave behind."""
    path = Path(named)
    try:
        if not path.is_dir():
            yield Candidate(path, size=path.stat().st_size)
            return
    except OSError as error:
        yield Candidate(path, fault=error)
        return
    base = path.resolve().name or "files"
    faults: list[OSError] = []
    for folder, folders, names in os.walk(path, onerror=faults.append):
        folders.sort()
        for name in sorted(set(names) - _JUNK):
            each = Path(folder, name)
            relative = "/".join((base, *each.relative_to(path).parts))
            try:
                yield Candidate(each, relative, size=each.stat().st_size)
            except OSError as error:
                yield Candidate(each, fault=error)
    for fault in faults:
        yield Candidate(Path(fault.filename or path), fault=fault)


async def put(client: AsyncClient, options: argparse.Namespace, output: Output) -> int:
    found = [candidate for named in options.files for candidate in candidates(named)]
    if options.name and len(found) != 1:
        output.complain(ClientError("--name is for one file"))
        return 2
    with shown(output, count=len(found), size=sum(each.size for each in found)) as view:
        run = _Run(client, options, output, view)
        return await run.all_of(found)


class _Run:
    def __init__(self, client: AsyncClient, options: argparse.Namespace, output: Output, view: Shown) -> None:
        self._client = client
        self._options = options
        self._output = output
        self._view = view
        self._failures: list[Exception] = []

    async def all_of(self, found: list[Candidate]) -> int:
        """The exit code."""
        waiting = iter(found)
        workers = [asyncio.create_task(self._work(waiting)) for _ in range(min(self._options.parallel, len(found)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if not self._failures:
            return 0
        self._view.note(f"{len(self._failures)} of {len(found)} files were not stored")
        kinds = {type(error) for error in self._failures}
        return 3 if kinds == {ServerAway} else 4 if kinds == {NotAllowed} else 1

    async def _work(self, waiting: Iterator[Candidate]) -> None:
        for candidate in waiting:
            await self._put(candidate)

    async def _put(self, candidate: Candidate) -> None:
        label = candidate.relative_path or candidate.path.name
        row = self._view.begin(label, candidate.size)
        try:
            if candidate.fault is not None:
                raise candidate.fault
            stored = await self._client.put(
                candidate.path,
                name=self._options.name,
                relative_path=candidate.relative_path,
                checksum=self._options.checksum,
                on_progress=lambda progress: self._view.move(row, progress),
            )
        except (ClientError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            self._failures.append(error)
            self._view.end(row, is_stored=False)
            with self._view.aside():
                self._output.complain(error, of=str(candidate.path))
            return
        self._view.move(row, Progress(stored.size, stored.size, stored.size))
        self._view.end(row, is_stored=True)
        checked = "" if stored.is_verified else ", not compared"
        about = {
            "event": "stored",
            "file": str(candidate.path),
            "path": candidate.relative_path,
            "id": stored.id,
            "name": stored.name,
            "size": stored.size,
            "url": stored.url,
            "sha256": stored.sha256,
            "verified": stored.is_verified,
        }
        with self._view.aside():
            self._output.tell(f"stored {label} ({size_of(stored.size)}{checked}) {stored.url}", about)
