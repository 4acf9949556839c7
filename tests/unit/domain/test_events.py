"""Events: the same is known as the same whoever tells it, and of one image each is later than the one before."""

import json
from datetime import timedelta, timezone

import pytest

from domain.events import Event, EventType, ImageEvent, event_from_values, event_to_values
from domain.image import Image
from domain.progress import Standing
from domain.upload_state import UploadState
from tests.support.builders import NOW, a_file, an_event, an_id, an_instruction_event, an_upload, counted, extent


def an_image_event() -> ImageEvent:
    file = a_file()
    image = Image(id=file.id, watch_id="", created_at=NOW, updated_at=NOW)
    image.queue(NOW)
    return image.event(file)


@pytest.mark.parametrize(
    "event", [an_event(an_upload()), an_image_event(), an_instruction_event()], ids=lambda event: event.family
)
def test_an_event_has_the_same_id_wherever_it_was_kept(event: Event) -> None:
    kept = event_from_values(json.loads(json.dumps(event_to_values(event))))
    assert kept == event
    assert kept.id == event.id
    assert len(event.id) == 32


def test_events_that_differ_in_type_subject_or_time_have_other_ids() -> None:
    upload = an_upload()
    events = [
        an_event(upload),
        an_event(an_upload()),
        an_event(upload, EventType.ABORTED),
        an_event(upload, time=NOW + timedelta(microseconds=1)),
    ]
    assert len({event.id for event in events}) == len(events)


def test_the_same_moment_in_another_time_zone_is_the_same_event() -> None:
    upload = an_upload()
    abroad = NOW.astimezone(timezone(timedelta(hours=5)))
    assert an_event(upload, time=abroad).id == an_event(upload).id


def test_who_reads_that_an_upload_is_over_knows_the_event_that_told_so() -> None:
    upload = an_upload(length=10, state=UploadState.RECEIVING)
    counted(upload, extent(0, 10))
    upload.assemble()
    upload.complete(blob_key=a_file().blob_key, now=NOW)
    told = upload.event(EventType.COMPLETED, NOW)
    assert Standing.of_upload(upload, NOW + timedelta(hours=1)).event_id == told.id
    assert Standing.of_event(told).event_id == told.id


def test_of_one_image_each_event_is_later_than_the_one_before_whatever_the_clocks_say() -> None:
    file = a_file(id=an_id())
    image = Image(id=file.id, watch_id="", created_at=NOW, updated_at=NOW)
    events = []
    image.queue(NOW)
    events.append(image.event(file))
    image.fail("it hung", NOW - timedelta(seconds=5))  # by a worker whose clock is slow
    events.append(image.event(file))
    image.queue(NOW - timedelta(seconds=3))
    events.append(image.event(file))
    image.finish([], NOW - timedelta(seconds=4))
    events.append(image.event(file))
    times = [event.time for event in events]
    assert times == sorted(set(times))
