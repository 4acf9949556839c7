"""Several requests for one upload, and connections that break: the newest wins, prefixes stay, nothing mixes.

Contract §1: for the same bytes the newest request wins; it ends a hanging older one within 2 s, whose late
bytes are never written. A cut connection keeps its prefix.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable

import pytest

from tests.e2e.conftest import on_each_database
from tests.e2e.tus import BYTES, VERSION, Tus
from tests.support.until import becomes
from tests.support.wire import Closed, Connection, Header, Response

HANDOVER_SECONDS = 2.0
SLACK_SECONDS = 0.5  # for two loaded cores; the promise itself is 2 s
# Short bodies and long ones may take different ways through the server.
lengths = pytest.mark.parametrize("length", [300_000, 3_000_000])
LENGTH = 300_000


def _hanging_patch(tus: Tus, content: bytes) -> tuple[str, Connection]:
    """An upload of ``content`` and the connection of a PATCH that sent two thirds of it and hangs."""
    target = tus.created(len(content))
    connection = tus.begin_patch(target, 0, len(content), content[: _sent(content)])
    time.sleep(0.3)  # all that was sent is in the server's hands
    return target, connection


def _sent(content: bytes) -> int:
    return len(content) * 2 // 3


def _assert_refused_or_cut(hanging: Connection) -> None:
    with contextlib.suppress(Closed):
        assert 400 <= hanging.receive("PATCH", within=HANDOVER_SECONDS).status < 500


def _late_bytes(connection: Connection, late: bytes) -> None:
    """Send what the hanging client still had, over a connection that is probably gone."""
    with contextlib.suppress(ConnectionError), connection:
        connection.send(late)
        connection.finish_sending()
        connection.ends(within=2)


def _timed(ask: Callable[[], Response]) -> tuple[Response, float]:
    began = time.monotonic()
    return ask(), time.monotonic() - began


# --- a newer request ends a hanging one


@on_each_database
@lengths
def test_a_head_ends_a_hanging_patch_and_tells_what_was_kept(tus: Tus, length: int) -> None:
    content = os.urandom(length)
    target, hanging = _hanging_patch(tus, content)
    answer, seconds = _timed(lambda: tus.head(target))
    assert (answer.status, answer.header("Upload-Offset")) == (200, str(_sent(content)))
    assert seconds < HANDOVER_SECONDS + SLACK_SECONDS
    _assert_refused_or_cut(hanging)
    assert tus.offset(target) == _sent(content)


@on_each_database
@lengths
def test_late_bytes_of_an_ended_patch_are_never_written(tus: Tus, length: int) -> None:
    first = b"A" * length
    sent = _sent(first)
    target, hanging = _hanging_patch(tus, first)
    assert tus.offset(target) == sent
    _late_bytes(hanging, first[sent:])
    assert tus.offset(target) == sent
    second = b"B" * (length - sent)
    assert tus.patch(target, sent, second).status == 204
    assert tus.content(target) == first[:sent] + second


@on_each_database
@lengths
def test_late_bytes_are_not_written_over_those_of_the_newer_patch(tus: Tus, length: int) -> None:
    first = b"A" * length
    sent = _sent(first)
    second = b"B" * (length - sent)
    target, hanging = _hanging_patch(tus, first)
    offset = tus.offset(target)
    with tus.begin_patch(target, offset, len(second), second[:1000]) as newer:
        _late_bytes(hanging, first[sent:])
        newer.send(second[1000:])
        assert newer.receive("PATCH").status == 204
    assert tus.content(target) == first[:sent] + second


@on_each_database
@lengths
def test_a_patch_ends_a_hanging_patch(tus: Tus, length: int) -> None:
    first = b"A" * length
    sent = _sent(first)
    second = b"B" * (length - sent)
    target, hanging = _hanging_patch(tus, first)
    answer, seconds = _timed(lambda: tus.patch(target, sent, second))
    assert answer.status == 204
    assert seconds < HANDOVER_SECONDS + SLACK_SECONDS
    _late_bytes(hanging, first[sent:])
    assert tus.content(target) == first[:sent] + second


@on_each_database
@lengths
def test_a_delete_ends_a_hanging_patch(tus: Tus, length: int) -> None:
    content = b"A" * length
    target, hanging = _hanging_patch(tus, content)
    answer, seconds = _timed(lambda: tus.delete(target))
    assert answer.status == 204
    assert seconds < HANDOVER_SECONDS + SLACK_SECONDS
    _late_bytes(hanging, content[_sent(content) :])
    assert tus.head(target).status in (404, 410)
    assert tus.http.get(target).status in (404, 410)


@lengths
def test_a_head_ends_a_patch_that_trickles(tus: Tus, length: int) -> None:
    """Not hanging, only slow: a byte every 20 ms must not hold the upload for ever either."""
    target = tus.created(length)
    connection = tus.begin_patch(target, 0, length, b"A" * 1000)
    sent = 1000
    stop = threading.Event()

    def trickle() -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            while not stop.is_set():
                connection.send(b"A")
                sent += 1
                time.sleep(0.02)

    slow = threading.Thread(target=trickle)
    slow.start()
    try:
        time.sleep(0.3)
        answer, seconds = _timed(lambda: tus.head(target))
        offset = int(answer.header("Upload-Offset") or "-1")
        assert 1000 <= offset <= sent
        assert seconds < HANDOVER_SECONDS + SLACK_SECONDS
        time.sleep(0.3)
        assert tus.offset(target) == offset
    finally:
        stop.set()
        slow.join()
        connection.close()


def test_many_heads_at_once_agree_about_a_hanging_patch(tus: Tus) -> None:
    content = b"A" * LENGTH
    target, hanging = _hanging_patch(tus, content)
    answers: list[Response] = []
    heads = [threading.Thread(target=lambda: answers.append(tus.head(target))) for _ in range(6)]
    for head in heads:
        head.start()
    for head in heads:
        head.join()
    hanging.close()
    assert {(answer.status, answer.header("Upload-Offset")) for answer in answers} == {(200, str(_sent(content)))}


def test_a_hanging_upload_leaves_others_alone(tus: Tus) -> None:
    _, hanging = _hanging_patch(tus, b"A" * LENGTH)
    began = time.monotonic()
    content = os.urandom(100_000)
    assert tus.content(tus.completed(content)) == content
    assert time.monotonic() - began < HANDOVER_SECONDS
    hanging.close()


def test_a_finished_request_is_not_ended_by_a_newer_one(tus: Tus) -> None:
    """Its connection is idle, not hanging: the next request over it is answered."""
    target = tus.created(10)
    with tus.begin_patch(target, 0, 5, b"hello") as connection:
        assert connection.receive("PATCH").status == 204
        assert tus.offset(target) == 5
        headers: list[Header] = [VERSION, BYTES, ("Upload-Offset", "5"), ("Content-Length", "5")]
        connection.send(connection.head_bytes("PATCH", target, headers) + b"world")
        assert connection.receive("PATCH").status == 204


# --- cut bodies


@on_each_database
@lengths
@pytest.mark.parametrize("cut", ["fin", "half-close", "rst"])
@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_an_interrupted_body_keeps_its_prefix(tus: Tus, framing: str, cut: str, length: int) -> None:
    content = os.urandom(length)
    sent = _sent(content)
    target = tus.created(length)
    if framing == "chunked":
        connection = tus.http.connect()
        headers: list[Header] = [VERSION, BYTES, ("Upload-Offset", "0"), ("Transfer-Encoding", "chunked")]
        head = connection.head_bytes("PATCH", target, headers)
        connection.send(head + b"%x\r\n%b" % (length, content[:sent]))
    else:
        connection = tus.begin_patch(target, 0, length, content[:sent])
    time.sleep(0.3)  # a reset drops what the server has not read yet; that is not what is tested here
    if cut == "rst":
        connection.reset()
    elif cut == "half-close":
        connection.finish_sending()
        with contextlib.suppress(Closed, TimeoutError):
            assert connection.receive("PATCH", within=5).status != 204
        connection.close()
    else:
        connection.close()
    assert becomes(lambda: tus.offset(target) == sent), tus.offset(target)
    assert tus.patch(target, sent, content[sent:]).status == 204
    assert tus.content(target) == content


@lengths
def test_an_upload_cut_twenty_times_is_whole_in_the_end(tus: Tus, length: int) -> None:
    content = os.urandom(length * 3)
    target = tus.created(len(content))
    for number in range(20):
        offset = tus.offset(target)
        connection = tus.begin_patch(target, offset, len(content) - offset, content[offset : offset + 40_000 + number])
        if number % 2:
            connection.reset()
        else:
            connection.close()
    offset = tus.offset(target)
    assert tus.patch(target, offset, content[offset:]).status == 204
    assert tus.content(target) == content


def test_a_chunked_body_broken_in_its_framing_keeps_at_most_what_was_good(tus: Tus) -> None:
    target = tus.created(100)
    headers: list[Header] = [VERSION, BYTES, ("Upload-Offset", "0"), ("Transfer-Encoding", "chunked")]
    with tus.http.connect() as connection:
        connection.send(connection.head_bytes("PATCH", target, headers) + b"5\r\nhello\r\nZZ\r\nworld\r\n0\r\n\r\n")
        with contextlib.suppress(Closed):
            assert 400 <= connection.receive("PATCH").status < 500
    offset = tus.offset(target)
    assert offset in (0, 5)
    assert tus.patch(target, offset, (b"hello" + b"-" * 95)[offset:]).status == 204
    assert tus.content(target) == b"hello" + b"-" * 95


# --- two writers at once


@on_each_database
def test_two_writers_of_the_same_bytes_never_mix(tus: Tus) -> None:
    """Whoever wins: one writer's bytes up to the offset, at most one promise, and it can go on from there."""
    size = 2_000_000
    for _ in range(8):
        target = tus.created(size)
        answers = _race(tus, target, [b"A" * size, b"B" * size])
        promised = [answer for answer in answers if answer is not None and answer.status == 204]
        assert len(promised) <= 1
        assert all(answer is None or answer.status in (204, 409, 423) for answer in answers), answers
        offset = tus.offset(target)
        assert not promised or offset == size
        if offset < size:
            assert tus.patch(target, offset, b"C" * (size - offset)).status == 204
        content = tus.content(target)
        assert len(content) == size
        assert content[:offset] in (b"A" * offset, b"B" * offset)
        assert content[offset:] == b"C" * (size - offset)


def test_eight_writers_of_one_last_byte_get_one_promise(tus: Tus) -> None:
    target = tus.created(10)
    tus.patch(target, 0, b"123456789")
    letters = [bytes([65 + number]) for number in range(8)]
    answers = _race(tus, target, letters, offset=9)
    promised = [
        letter for letter, answer in zip(letters, answers, strict=True) if answer is not None and answer.status == 204
    ]
    assert len(promised) == 1
    assert tus.content(target) == b"123456789" + promised[0]


def test_many_uploads_at_once_do_not_mix(tus: Tus) -> None:
    contents = [os.urandom(150_000) for _ in range(16)]
    targets: list[str | None] = [None] * len(contents)

    def upload(number: int) -> None:
        target, content = tus.created(len(contents[number])), contents[number]
        for offset in range(0, len(content), 50_000):
            assert tus.patch(target, offset, content[offset : offset + 50_000]).status == 204
        targets[number] = target

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(len(contents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [target and tus.content(target) for target in targets] == contents


def _race(tus: Tus, target: str, bodies: list[bytes], *, offset: int = 0) -> list[Response | None]:
    """Send all ``bodies`` at once; an answer is None where the server closed the connection instead."""
    answers: list[Response | None] = [None] * len(bodies)
    line = threading.Barrier(len(bodies))

    def write(number: int) -> None:
        line.wait()
        with contextlib.suppress(Closed):
            answers[number] = tus.patch(target, offset, bodies[number])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
