"""What receivers are told, how it is signed, and which addresses are the open internet."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from domain.events import Event, EventType, ImageEvent, ImageEventType
from domain.ids import FileId
from domain.public_address import is_public
from domain.webhook import EVENT_TYPES, Endpoint, Webhooks, body_of, parse_secret, signed_headers
from tests.support.builders import ALICE, NOW, an_event, an_id, an_instruction_event, an_upload
from tests.support.receiver import ANOTHER_SECRET, SECRET

ONE, OTHER = Endpoint("https://one.example/hook?token=x"), Endpoint("https://other.example/")


def an_image_event(type_: ImageEventType = ImageEventType.DONE, *, error: str = "") -> ImageEvent:
    id_ = an_id()
    return ImageEvent(
        type=type_,
        time=NOW,
        upload_id=FileId(id_),
        watch_id=id_,
        owner=ALICE.owner,
        filename="sea.heic",
        status="ERROR" if error else "DONE",
        error=error,
    )


def an_upload_event(type_: EventType = EventType.COMPLETED) -> Event:
    return an_event(an_upload(owner=ALICE), type_)


def test_the_published_verifier_takes_the_signature_of_each_secret() -> None:
    body = body_of(an_upload_event()).encode()
    secrets = [parse_secret(SECRET), parse_secret(ANOTHER_SECRET)]
    headers = signed_headers("an-id", body, secrets, datetime.now(UTC))
    for secret in (SECRET, ANOTHER_SECRET):
        assert Webhook(secret).verify(body, dict(headers)) == json.loads(body)
    for changed in (body + b" ", body[:-1]):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(changed, dict(headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**headers, "webhook-id": "another"})


def test_an_upload_is_told_by_the_servers_id_with_whose_it_is_and_no_secret_of_it() -> None:
    upload = replace(an_upload(owner=ALICE, credential={"key": "open sesame"}, detail={"a": "b"}), watch_id="chosen")
    event = an_event(upload, EventType.COMPLETED)
    assert json.loads(body_of(event)) == {
        "type": "upload.completed",
        "timestamp": "2026-11-20T10:00:00.123456Z",
        "data": {
            "event_id": event.id,
            "upload_id": upload.id,
            "watch_id": "chosen",
            "owner": "user:alice",
            "filename": "holiday.mov",
            "offset": 0,
            "length": 1000,
            "percent": 0.0,
            "state": "PENDING",
        },
    }


def test_images_and_details_are_told_with_why_they_failed() -> None:
    event = an_image_event(ImageEventType.FAILED, error="it is broken")
    told = json.loads(body_of(event))
    assert (told["type"], told["data"]["image_id"], told["data"]["error"]) == (event.type, event.subject, event.error)
    detail = an_instruction_event()
    assert json.loads(body_of(detail))["data"] == {
        "event_id": detail.id,
        "instruction_id": detail.instruction_id,
        "instruction_detail_id": detail.detail_id,
        "owner": "user:alice",
        "file_name": "holiday.jpg",
        "status": "DONE",
    }


def test_any_name_is_told_in_ascii() -> None:
    event = replace(an_image_event(), filename="Ü\U0001f3d6\udcff\0.jpg")
    body = body_of(event)
    assert body.isascii()
    assert json.loads(body)["data"]["filename"] == event.filename


def test_each_endpoint_has_a_job_the_same_however_often_it_is_asked_for() -> None:
    webhooks = Webhooks([ONE, OTHER])
    event = an_upload_event()
    jobs = webhooks.deliveries(event)
    assert jobs == webhooks.deliveries(event)
    assert [job.kind for job in jobs] == [ONE.kind, OTHER.kind]
    assert {job.subject for job in jobs} == {event.id}
    assert len({job.id for job in jobs}) == 2
    assert all(len(job.kind) <= 32 for job in jobs)


def test_what_passes_is_never_told_and_of_the_rest_what_is_asked_for() -> None:
    assert not Webhooks([ONE]).deliveries(an_upload_event(EventType.PROGRESS))
    some = Webhooks([ONE], frozenset({"upload.completed", "instruction.detail"}))
    events = [an_upload_event(), an_upload_event(EventType.CREATED), an_image_event(), an_instruction_event()]
    assert [bool(some.deliveries(event)) for event in events] == [True, False, False, True]
    assert "upload.progress" not in EVENT_TYPES
    assert {event.type.value for event in events} <= set(EVENT_TYPES)


def test_what_is_logged_of_an_endpoint_is_its_host() -> None:
    assert "token" not in repr(Webhooks([ONE])) and ONE.host == "one.example"


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_is_what_it_says(size: int) -> None:
    secret = bytes(range(size))
    assert parse_secret(f"whsec_{base64.b64encode(secret).decode()}") == secret


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
     "whsec_*fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", f"whsec_{base64.b64encode(bytes(65)).decode()}", "whsec_ü" * 9],
)  # fmt: skip
def test_what_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as caught:
        parse_secret(text)
    assert len(text) < 10 or text not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
     "0.0.0.0", "0.1.2.3", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
     "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:a00:1", "::ffff:0:a00:1", "::127.0.0.1", "::8.8.8.8",
     "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2001::1", "2001:db8::1", "fe80::1", "fe80::1%eth0",
     "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "3fff::1", "5f00::1", "localhost", ""],
)  # fmt: skip
def test_addresses_within_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.215.14", "172.32.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
     "2606:4700::1111", "2a00:1450:4001:81b::200e"],
)  # fmt: skip
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(address)
