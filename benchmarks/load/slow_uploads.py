"""Many uploads at once, each as slow as a bad mobile line: they hold connections and files, not bandwidth."""

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.figures import Failed
from benchmarks.load.client import Connection, Target
from benchmarks.scale import GIB, KIB

TRICKLE = bytes(4 * KIB)  # a second; the server's watchdog asks for 1 KiB a second


@contextmanager
def slow_uploads(port: int, uploads_path: str, count: int, *, seconds: float) -> Iterator[None]:
    """``count`` uploads have been trickling for ``seconds`` when the block runs; they are cut afterwards.

    Raises:
        Failed: the server answered or left one of them, or does not know of any byte.
    """
    sockets: list[socket.socket] = []
    try:
        targets = _open(port, uploads_path, count, sockets)
        deadline = time.monotonic() + seconds
        while (began := time.monotonic()) < deadline:
            for each in sockets:
                _trickle(each)
            time.sleep(max(0.0, began + 1 - time.monotonic()))
        _check_that_all_still_wait(sockets)
        yield
    finally:
        for each in sockets:
            each.close()
    with Connection(port) as connection:
        if connection.offset(targets[0].path) == 0:
            raise Failed("a slow upload was cut and kept nothing")


def _open(port: int, uploads_path: str, count: int, sockets: list[socket.socket]) -> list[Target]:
    targets = []
    with Connection(port) as creator:
        for _ in range(count):
            target = creator.create_upload(uploads_path, GIB)
            head = f"PATCH {target.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {GIB}\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
            upload = socket.create_connection(("127.0.0.1", port), timeout=30)
            sockets.append(upload)
            upload.sendall(head.encode() + b"\r\n" + TRICKLE)
            upload.setblocking(False)
            targets.append(target)
    return targets


def _trickle(upload: socket.socket) -> None:
    try:
        upload.send(TRICKLE)
    except BlockingIOError:
        pass  # the server is behind: its backpressure is what we came to see
    except OSError as error:
        raise Failed(f"a slow upload was cut off by the server: {error}") from None


def _check_that_all_still_wait(sockets: list[socket.socket]) -> None:
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ)
        answered = selector.select(timeout=0)
    if answered:
        raise Failed(f"{len(answered)} slow uploads were answered or left before their end")
