"""Contract of ports/webhook_sender.py, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters.outbound.webhooks.resolver import Addresses, CheckedResolver, NotPublic
from adapters.outbound.webhooks.sender import TornadoWebhookSender
from domain.webhook import Answer
from ports.webhook_sender import WebhookSender
from tests.support.receiver import OK, Receiver, status
from tests.support.until import wait_until

PATIENCE = 0.3
BODY = b'{"type":"upload.completed"}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    one = TornadoWebhookSender(allow_private=True, patience_seconds=PATIENCE)
    yield one
    await one.close()


async def test_what_is_posted_arrives_as_it_is(sender: WebhookSender, receiver: Receiver) -> None:
    assert await sender.post(f"{receiver.url}?a=b", {"webhook-id": "one"}, BODY) == Answer(204)
    [came] = receiver.came
    assert (came.path, came.body, came.id) == ("/hook?a=b", BODY, "one")
    assert came.headers["content-type"] == "application/json"
    assert came.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (status(200, body=b"thank you"), Answer(200)),
        (status(500), Answer(500)),
        (status(410), Answer(410)),
        (status(429, "Retry-After: 7"), Answer(429, retry_after_seconds=7)),
        (status(503, "retry-after: soon"), Answer(503)),
        (status(503, f"Retry-After: {'9' * 40}"), Answer(503, retry_after_seconds=999_999_999_999)),
        (status(302, "Location: http://127.0.0.1:1/elsewhere"), Answer(302)),
        (status(308, "Location: /other"), Answer(308)),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, Answer(204)),
        (status(200, "Content-Encoding: gzip", body=b"no gzip"), Answer(200)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ncut", Answer(200)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", Answer(200)),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_is_answered_counts_by_its_head(
    said: bytes, answer: Answer, sender: WebhookSender, receiver: Receiver
) -> None:
    receiver.answer = lambda _: said
    assert await sender.post(receiver.url, {}, BODY) == answer
    assert receiver.connections == 1


@pytest.mark.parametrize("code", [202, 500])
async def test_of_what_it_says_beyond_that_little_is_read(code: int, sender: WebhookSender, receiver: Receiver) -> None:
    for head in (b"HTTP/1.1 %d So\r\n\r\n" % code, b"HTTP/1.1 %d So\r\nContent-Length: 20000000\r\n\r\n" % code):
        receiver.answer = lambda _, head=head: head + bytes(20_000_000)  # type: ignore[misc]
        assert await sender.post(receiver.url, {}, BODY) == Answer(code)
    await wait_until(lambda: receiver.cut == 2)


async def test_a_date_may_say_when_to_come_again(sender: WebhookSender, receiver: Receiver) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    receiver.answer = lambda _: status(503, f"Retry-After: {when}")
    answer = await sender.post(receiver.url, {}, BODY)
    assert 290 < answer.retry_after_seconds < 301


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "no answer within 0.3 s"),
        (b"", "closed without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "without an answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "no answer that is HTTP's"),
    ],
    ids=["nothing", "an end", "another protocol", "interim alone", "a head without end"],
)
async def test_why_there_was_no_answer_is_told(
    said: bytes | None, reason: str, sender: WebhookSender, receiver: Receiver
) -> None:
    receiver.answer = lambda _: said
    answer = await sender.post(receiver.url, {}, BODY)
    assert answer.status is None
    assert reason in answer.reason


async def test_nobody_who_listens_is_no_answer(sender: WebhookSender, receiver: Receiver) -> None:
    receiver.stop()
    assert await sender.post(receiver.url, {}, BODY) == Answer(None, "Connection refused")


async def test_a_name_that_nobody_knows_is_no_answer(sender: WebhookSender) -> None:
    answer = await sender.post("https://receiver.invalid/", {}, BODY)
    assert answer.status is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0.0.0.0", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::]"]
)
async def test_no_address_within_is_connected_to(host: str, receiver: Receiver) -> None:
    sender = TornadoWebhookSender(patience_seconds=PATIENCE)
    answer = await sender.post(f"http://{host}:{receiver.port}/", {}, BODY)
    await sender.close()
    assert answer.status is None
    assert "private address" in answer.reason or "not known" in answer.reason
    assert receiver.connections == 0


async def test_what_is_connected_to_is_what_was_looked_at() -> None:
    """A name may stand for another address each time it is asked for; it is asked for once."""
    asked: list[str] = []

    async def look_up(host: str, port: int, family: int) -> Addresses:
        asked.append(host)
        within = (socket.AF_INET, ("127.0.0.1", port))
        return [within, (socket.AF_INET, ("93.184.215.14", port))] if len(asked) == 1 else [within]

    resolver = CheckedResolver(allow_private=False, look_up=look_up)
    assert await resolver.resolve("rebinding.example", 443) == [(socket.AF_INET, ("93.184.215.14", 443))]
    with pytest.raises(NotPublic):
        await resolver.resolve("rebinding.example", 443)
    assert len(asked) == 2


async def test_name_servers_that_hang_are_asked_once_and_hold_nobody_else_up() -> None:
    asked: list[str] = []

    async def look_up(host: str, port: int, family: int) -> Addresses:
        asked.append(host)
        await asyncio.sleep(60 if host == "hangs.example" else 0)
        return [(socket.AF_INET, ("93.184.215.14", port))]

    resolver = CheckedResolver(allow_private=False, look_up=look_up)
    hanging = [asyncio.create_task(resolver.resolve("hangs.example", 443)) for _ in range(10)]
    assert await resolver.resolve("quick.example", 443)
    assert sorted(asked) == ["hangs.example", "quick.example"]
    resolver.close()
    await asyncio.wait(hanging)


async def test_one_that_hangs_holds_no_other_up(sender: WebhookSender, receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.answer = lambda _: None
        hanging = [asyncio.create_task(sender.post(receiver.url, {}, BODY)) for _ in range(20)]
        assert await sender.post(other.url, {}, BODY) == Answer(204)
        assert not any(one.done() for one in hanging)
        await asyncio.gather(*hanging)
