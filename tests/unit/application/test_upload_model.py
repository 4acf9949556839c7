"""Whatever a client and fate do in whatever order: the offset never goes back, the file is byte for byte right."""

import asyncio
import hashlib
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.checksum import Checksum
from domain.errors import ChecksumMismatch, LengthExceeded, OffsetMismatch, RepositoryUnavailable, UploadTakenOver
from domain.upload_state import UploadState
from ports.byte_source import ByteSource
from tests.support.builders import ALICE
from tests.support.deployment import Deployment, Process
from tests.support.faults import Died, Point
from tests.support.sources import CutSource, HangingSource

Result = TypeVar("Result")
SIZES = st.integers(0, 2000)
POINTS = st.sampled_from(
    [
        *(Point.WRITE, Point.WRITTEN, Point.RECORD, Point.RECORDED),
        *(Point.SEAL, Point.SEALED, Point.COMPLETE, Point.ANNOUNCE),
    ]
)


class Uploading(RuleBasedStateMachine):
    """A client brings one file in; two servers serve it in turns, and die."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.deployment = Deployment()
        self.servers = [self.deployment.process(), self.deployment.process()]
        self.offset = 0

    @initialize(content=st.binary(max_size=6000), is_told=st.booleans())
    def begin(self, content: bytes, is_told: bool) -> None:
        self.content = content
        upload = self.run(self.server(0).begin(len(content) if is_told else None))
        self.id = upload.id

    @rule(server=st.integers(0, 1), size=SIZES, announced=st.booleans(), tell=st.booleans())
    def send(self, server: int, size: int, announced: bool, tell: bool) -> None:
        data = self.next(size)
        length = len(self.content) if tell else None
        sending = self.server(server).send(self.id, data, at=self.offset, announced=announced, length=length)
        assert self.run(sending).offset == self.offset + len(data)

    @rule(server=st.integers(0, 1), size=SIZES, sent=SIZES)
    def send_and_be_cut(self, server: int, size: int, sent: int) -> None:
        data = self.next(size)[: sent + 1]
        source = CutSource([data] if data else [], length=len(self.next(size)))
        assert self.run(self.append(server, source)) == self.offset + len(data)

    @rule(server=st.integers(0, 1), size=SIZES)
    def send_with_a_checksum(self, server: int, size: int) -> None:
        data = self.next(size)
        checksum = Checksum("sha256", hashlib.sha256(data).digest())
        view = self.run(self.server(server).send(self.id, data, at=self.offset, checksums=[checksum]))
        assert view.offset == self.offset + len(data)

    @precondition(lambda self: self.offset < len(self.content))
    @rule(server=st.integers(0, 1), size=st.integers(1, 2000))
    def send_something_else_with_its_checksum(self, server: int, size: int) -> None:
        data = self.next(size)
        checksum = Checksum("sha256", hashlib.sha256(data).digest())
        junk = bytes(byte ^ 1 for byte in data)
        with pytest.raises(ChecksumMismatch):
            self.run(self.server(server).send(self.id, junk, at=self.offset, checksums=[checksum]))

    @rule(server=st.integers(0, 1), at=st.integers(0, 7000), size=SIZES)
    def send_at_the_wrong_place(self, server: int, at: int, size: int) -> None:
        at += at >= self.offset
        with pytest.raises(OffsetMismatch):
            self.run(self.server(server).send(self.id, b"x" * size, at=at))

    @rule(server=st.integers(0, 1), announced=st.booleans())
    def send_too_much(self, server: int, announced: bool) -> None:
        data = self.content[self.offset :] + b"x"
        length = len(self.content)
        with pytest.raises(LengthExceeded):
            self.run(self.server(server).send(self.id, data, at=self.offset, announced=announced, length=length))

    @rule(first=st.integers(0, 1), second=st.integers(0, 1), size=st.integers(1, 2000), more=SIZES)
    def hang_and_send_anew(self, first: int, second: int, size: int, more: int) -> None:
        async def both() -> None:
            sent = self.next(size)
            source = HangingSource([sent], length=None)
            older = asyncio.create_task(self.append(first, source))
            hanging = asyncio.create_task(source.hangs.wait())
            await asyncio.wait([older, hanging], return_when=asyncio.FIRST_COMPLETED)
            reached = self.offset + len(sent)
            data = self.content[reached : reached + more]
            view = await self.server(second).send(self.id, data, at=reached)
            assert view.offset == reached + len(data)
            with pytest.raises(UploadTakenOver):
                await older

        if self.next(size):
            self.run(both())

    @rule(server=st.integers(0, 1), size=SIZES, point=POINTS, after=st.integers(0, 1))
    def send_and_the_server_dies(self, server: int, size: int, point: Point, after: int) -> None:
        reached = self.offset + len(self.next(size))
        self.server(server).faults.put(point, Died(), after=after)
        try:
            view = self.run(self.server(server).send(self.id, self.next(size), at=self.offset))
        except Died:
            pass
        else:
            assert view.offset == reached
        self.servers[server] = self.deployment.process()

    @rule(server=st.integers(0, 1), size=SIZES, point=POINTS)
    def send_while_something_is_away(self, server: int, size: int, point: Point) -> None:
        process = self.server(server)
        process.faults.put(point, RepositoryUnavailable())
        with suppress(RepositoryUnavailable):
            self.run(process.send(self.id, self.next(size), at=self.offset))
        process.faults.heal()

    @rule(server=st.integers(0, 1))
    def restart(self, server: int) -> None:
        self.servers[server] = self.deployment.process()
        self.run(self.server(server).reconcile.run())

    @rule(server=st.integers(0, 1))
    def ask(self, server: int) -> None:
        view = self.run(self.server(server).uploads.inspect(ALICE, self.id))
        assert view.offset >= self.offset
        assert (view.state is UploadState.COMPLETED) == (view.length is not None and view.offset == view.length)

    @invariant()
    def the_offset_never_goes_back(self) -> None:
        now = self.run(self.server(0).uploads.look_at(ALICE, self.id)).offset
        assert now >= self.offset
        assert now <= len(self.content)
        self.offset = now

    def teardown(self) -> None:
        """In the end the client sends what is missing, and has its file."""
        if hasattr(self, "id"):
            self.run(self.finish(self.deployment.process()))
        self.runner.close()

    async def finish(self, server: Process) -> None:
        offset = (await server.uploads.inspect(ALICE, self.id)).offset
        await server.send(self.id, self.content[offset:], at=offset, length=len(self.content))
        assert await server.content(self.id) == self.content
        told = [event.offset for event in self.deployment.events if event.upload_id == self.id]
        assert told == sorted(told)

    async def append(self, server: int, source: ByteSource) -> int:
        view = await self.server(server).uploads.append(ALICE, self.id, at=self.offset, source=source)
        return view.offset

    def server(self, number: int) -> Process:
        return self.servers[number]

    def next(self, size: int) -> bytes:
        return self.content[self.offset : self.offset + size]

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(coroutine)


Uploading.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestUploading = Uploading.TestCase
