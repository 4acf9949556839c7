"""Large bodies from socket to file: through a pipe, by the kernel alone, or, where that can't be, a buffer."""

import errno
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from adapters.inbound.http.engine.wire.bursts import Burst, move
from domain.errors import UploadTakenOver

MIB = 1024 * 1024
SIZES = {"by the kernel": 3 * MIB + 5, "by a buffer": MIB - 7}
DATA = random.Random(7).randbytes(max(SIZES.values()) + 1000)


class Bench:
    """A sender, and a file of a few bytes."""

    def __init__(self, path: Path) -> None:
        self.sender, self.socket = socket.socketpair()
        self.socket.setblocking(False)
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        os.pwrite(self.fd, b"before", 0)

    def send(self, size: int) -> None:
        """In a thread, as fast as it is taken."""
        threading.Thread(target=self.sender.sendall, args=(DATA[:size],), daemon=True).start()

    def move(self, limit: int, permit: Callable[[], None] = lambda: None) -> tuple[int, bool]:
        return move(Burst(self.socket, self.fd, 6, limit, 5.0, permit, lambda: False))

    def move_all(self, limit: int) -> None:
        """A sender that makes a pause ends a burst."""
        moved = 0
        while moved < limit:
            moved += move(Burst(self.socket, self.fd, 6 + moved, limit - moved, 5.0, lambda: None, lambda: False))[0]

    def content(self) -> bytes:
        return os.pread(self.fd, 2 * len(DATA), 0)

    def close(self) -> None:
        for end in (self.sender, self.socket):
            end.close()
        os.close(self.fd)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    open_before = psutil.Process().num_fds()
    bench = Bench(tmp_path / "file")
    yield bench
    bench.close()
    assert psutil.Process().num_fds() == open_before, "a pipe was left open"


@pytest.mark.parametrize("limit", SIZES.values(), ids=SIZES)
class TestEitherWay:
    def test_it_is_in_its_place_to_the_byte_and_the_rest_still_in_the_socket(self, bench: Bench, limit: int) -> None:
        bench.send(limit + 1000)
        bench.move_all(limit)
        assert bench.content() == b"before" + DATA[:limit]
        bench.socket.setblocking(True)
        assert bench.socket.recv(1000, socket.MSG_WAITALL) == DATA[limit : limit + 1000]

    def test_a_sender_that_is_gone_is_told_of_and_what_came_is_kept(self, bench: Bench, limit: int) -> None:
        bench.sender.sendall(DATA[:1000])
        bench.sender.close()
        assert bench.move(limit) == (1000, True)
        assert bench.content() == b"before" + DATA[:1000]

    def test_a_sender_that_pauses_is_not_waited_for(self, bench: Bench, limit: int) -> None:
        bench.sender.sendall(DATA[:1000])
        assert bench.move(limit) == (1000, False)

    def test_what_is_not_permitted_is_not_written(self, bench: Bench, limit: int) -> None:
        def refuse() -> None:
            raise UploadTakenOver

        bench.sender.sendall(DATA[:1000])
        with pytest.raises(UploadTakenOver):
            bench.move(limit, refuse)
        assert bench.content() == b"before"

    def test_what_the_file_does_not_take_is_an_error(self, bench: Bench, limit: int, tmp_path: Path) -> None:
        os.close(bench.fd)
        bench.fd = os.open(tmp_path / "file", os.O_RDONLY)
        bench.sender.sendall(DATA[:1000])
        with pytest.raises(OSError, match="Bad file descriptor"):
            bench.move(limit)


def test_a_file_that_takes_nothing_from_a_pipe_is_written_all_the_same(bench: Bench, tmp_path: Path) -> None:
    os.close(bench.fd)
    bench.fd = os.open(tmp_path / "file", os.O_RDWR | os.O_APPEND)  # of such a one the kernel says EINVAL
    bench.send(2 * MIB)
    bench.move_all(2 * MIB)
    assert bench.content() == b"before" + DATA[: 2 * MIB]


def test_where_descriptors_run_short_it_goes_without_a_pipe(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pipe", none_left)
    bench.send(2 * MIB)
    bench.move_all(2 * MIB)
    assert bench.content() == b"before" + DATA[: 2 * MIB]
