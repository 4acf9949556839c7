"""Bodies that are large enough to be handed from the event loop to a thread: no byte may fall in between.

A lost block shows in two ways: the server waits for bytes that it has had already, and when the client then
resumes, what follows is in the wrong place although every length is right.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.rig.client import TUS, Fleet, ResumingUpload, Wire
from tests.chaos.rig.content import Content
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import wrong_content
from tests.support.processes.server import ServerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.serial, pytest.mark.timeout(120)]

_MIB = 1024 * 1024


@pytest.mark.parametrize("first", [0, 200_000])
def test_a_large_body_that_pauses_near_its_beginning_arrives_whole(tmp_path: Path, first: int) -> None:
    """Its first bytes, a moment's pause of up to a millisecond, and the rest at once: just when it is handed
    over.
    """
    draw = random.Random(first)
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        uploads = []
        wire = Wire(server.url, timeout=5)
        for number in range(40):
            content = Content(number, 2 * _MIB)
            upload = ResumingUpload(server.url, content, chunk_sizes=[content.length])
            upload.create()
            upload.close()
            uploads.append(upload)
            headers = {
                **TUS,
                "Upload-Offset": "0",
                "Content-Type": "application/offset+octet-stream",
                "Content-Length": str(content.length),
            }
            body = _with_a_pause(content, after=first, seconds=draw.uniform(0, 0.001))
            answer = wire.request("PATCH", upload.location, headers, body)
            assert answer.status == 204
        wire.close()
        assert wrong_content(server.url, uploads) == []


def test_large_bodies_side_by_side_arrive_whole(tmp_path: Path) -> None:
    """Several bodies on each connection, one after the other: the connection goes to a thread and comes back."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:

        def upload(number: int) -> ResumingUpload:
            chunks = [(1 + (number + turn) % 3) * _MIB + turn for turn in range(4)]
            return ResumingUpload(server.url, Content(number, 12 * _MIB + 3), chunk_sizes=chunks, timeout=10)

        fleet = Fleet(4, upload)
        fleet.start()
        while len(fleet.uploads) < 16:
            fleet.wait(0.05)
        fleet.finish()
        assert fleet.errors == []
        assert fleet.surprises == {}
        assert wrong_content(server.url, fleet.uploads) == []
        assert fleet.cuts == 0, "a request was not answered within 10 s"


def _with_a_pause(content: Content, *, after: int, seconds: float) -> Iterator[bytes]:
    if after:
        yield content.read(0, after)
    time.sleep(seconds)
    yield content.read(after, content.length)
