"""Bodies that are large enough to be handed from the event loop to a thread: no byte may fall in between.

A lost block shows in two ways: the server waits for bytes that it has had already, and when the client then
resumes, what follows is in the wrong place although every length is right.
"""

import itertools
from pathlib import Path

import pytest

from tests.chaos.client import Fleet, ResumingUpload
from tests.chaos.content import Content
from tests.chaos.settings import CHAOS
from tests.chaos.verify import wrong_content
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.serial, pytest.mark.timeout(120)]

_MIB = 1024 * 1024
_LENGTHS = [_MIB, _MIB + 1, 2 * _MIB, 3 * _MIB + 17, 9 * _MIB + 5]


def test_large_bodies_arrive_whole_at_once_and_in_order(tmp_path: Path) -> None:
    """Each over a connection of its own, as quick as the client can send."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        uploads = []
        for number, length in enumerate(itertools.islice(itertools.cycle(_LENGTHS), 150)):
            upload = ResumingUpload(server.url, Content(number, length), chunk_sizes=[length], timeout=5)
            uploads.append(upload)
            upload.run(within=40)
            assert upload.cuts == 0, f"body {number}, of {length} bytes: no answer within 5 s"
        assert wrong_content(server.url, uploads) == []


def test_large_bodies_side_by_side_arrive_whole(tmp_path: Path) -> None:
    """Several bodies on each connection, one after the other: the connection goes to a thread and comes back."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:

        def upload(number: int) -> ResumingUpload:
            chunks = [_LENGTHS[(number + turn) % 4] for turn in range(4)]
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
