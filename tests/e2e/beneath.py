"""What a server's storage holds, looked at and tampered with from below: files of a volume, objects of a bucket."""

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adapters.outbound.s3.address import BucketAddress
from tests.support.processes.s3 import ask
from tests.support.processes.server import ServerProcess
from tests.support.until import becomes

_LARGE_BYTES = 4 * 1024 * 1024  # the marks that tests look for are in smaller ones


class Beneath(ABC):
    @abstractmethod
    def holding(self, mark: bytes) -> list[str]:
        """The names under which bytes lie that have ``mark`` in them."""

    @abstractmethod
    def take_away(self, name: str) -> None: ...

    @abstractmethod
    def cut_short(self, name: str) -> None: ...

    def settled(self, mark: bytes, expected: int) -> int:
        """How many hold ``mark``, once it is ``expected`` or five seconds are over."""
        return expected if becomes(lambda: len(self.holding(mark)) == expected) else len(self.holding(mark))


class BeneathVolume(Beneath):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holding(self, mark: bytes) -> list[str]:
        return [str(path) for path in self._folder.rglob("*") if any(self._has(path, mark))]

    def take_away(self, name: str) -> None:
        Path(name).unlink()

    def cut_short(self, name: str) -> None:
        Path(name).chmod(0o600)
        os.truncate(name, 10)

    def _has(self, path: Path, mark: bytes) -> Iterable[bool]:
        with contextlib.suppress(FileNotFoundError):  # the server tidies up meanwhile
            yield path.is_file() and mark in path.read_bytes()


class BeneathBucket(Beneath):
    def __init__(self, address: BucketAddress) -> None:
        self._address = address

    def holding(self, mark: bytes) -> list[str]:
        async def look(client: Any) -> list[str]:
            found = []
            async for page in client.get_paginator("list_objects_v2").paginate(Bucket=self._address.name):
                for entry in page.get("Contents", []):
                    if len(mark) <= entry["Size"] <= _LARGE_BYTES:
                        with contextlib.suppress(client.exceptions.NoSuchKey):
                            answer = await client.get_object(Bucket=self._address.name, Key=entry["Key"])
                            if mark in await answer["Body"].read():
                                found.append(entry["Key"])
            return found

        names: list[str] = ask(self._address, look)
        return names

    def take_away(self, name: str) -> None:
        ask(self._address, lambda client: client.delete_object(Bucket=self._address.name, Key=name))

    def cut_short(self, name: str) -> None:
        ask(self._address, lambda client: client.put_object(Bucket=self._address.name, Key=name, Body=b"x" * 10))


def beneath(server: ServerProcess) -> Beneath:
    url = urlsplit(server.env.get("STORAGE_URL", ""))
    if url.scheme != "s3":
        return BeneathVolume(server.data_dir / "storage")
    query = parse_qs(url.query)
    address = BucketAddress(
        url.netloc,
        query["region"][0],
        query["endpoint"][0],
        server.env["S3_ACCESS_KEY"],
        server.env["S3_SECRET_KEY"],
    )
    return BeneathBucket(address)
