"""What only NATS does: other services are told each detail once, as JSON, by whoever committed it; and its pings."""

import asyncio
import json
import signal

import nats
from nats.aio.msg import Msg

from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.nats.feed import NatsFeed
from adapters.outbound.nats.notifications import NatsNotifications
from adapters.outbound.nats.notifier import NatsProgressNotifier
from domain.access import guest, user
from domain.events import Event
from tests.support.builders import an_event, an_id, an_instruction_event, an_upload
from tests.support.events import is_well
from tests.support.processes.nats import NatsServer
from tests.support.until import comes_true, wait_until


async def test_details_are_told_as_json_and_those_of_an_outage_after_it(nats_server: NatsServer) -> None:
    nats_server.start()
    subject, feed, heard, own = an_id(), MemoryFeed(), list[dict[str, str]](), list[object]()
    feed.listen(own.append, lambda: None)

    async def hear(message: Msg) -> None:
        heard.append(json.loads(message.data))

    notifications = NatsNotifications(nats_server.url, MemoryProgressNotifier(feed), subject=subject)
    notifications.start()
    await comes_true(lambda: is_well(notifications))
    async with await nats.connect(nats_server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.05) as listener:
        await listener.subscribe(subject, cb=hear)
        await listener.flush()
        event = an_instruction_event(owner=user("ann"))
        notifications.publish(an_event(an_upload()))
        notifications.publish(event)
        await wait_until(lambda: heard)
        assert heard == [
            {
                "user_id": "ann",
                "instruction_id": event.instruction_id,
                "instruction_detail_id": event.detail_id,
                "status": "DONE",
                "created_at": "2026-11-20T10:00:00.123Z",
            }
        ]
        await asyncio.to_thread(nats_server.stop)
        notifications.publish(an_instruction_event(owner=guest("gus")))
        await asyncio.to_thread(nats_server.start)
        await comes_true(lambda: is_well(notifications))
        await wait_until(
            lambda: listener.stats["reconnects"] and listener.is_connected, 10
        )  # nobody keeps it for who is away
        notifications.publish(an_instruction_event(owner=guest("gail")))
        await wait_until(lambda: "gail" in [message.get("guest_id") for message in heard], 10)
    await notifications.close()
    assert len(own) == 4


async def answers_soon(notifier: NatsProgressNotifier) -> bool:
    try:
        async with asyncio.timeout(0.05):
            await notifier.check()
    except TimeoutError:
        return False
    return True


async def test_who_was_answered_too_late_hears_the_others_all_the_same(nats_server: NatsServer) -> None:
    nats_server.start()
    subject, feed, heard = an_id(), NatsFeed(), list[Event]()
    feed.listen(heard.append, lambda: None)
    slow, other = (NatsProgressNotifier(nats_server.url, each, subject=subject) for each in (feed, NatsFeed()))
    for notifier in (slow, other):
        notifier.start()
        await comes_true(lambda: is_well(notifier))  # noqa: B023 -- called at once
    nats_server.process.signal(signal.SIGSTOP)
    while await answers_soon(slow):  # it is stopped soon, not at once
        pass
    nats_server.process.signal(signal.SIGCONT)
    await comes_true(lambda: is_well(slow))
    event = an_instruction_event()
    other.publish(event)
    await wait_until(lambda: event in heard)
    for notifier in (slow, other):
        await notifier.close()
