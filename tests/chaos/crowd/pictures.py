"""Clients that bring pictures: ``/images``, the image receiver, instructions."""

import hashlib
import json
import uuid
from functools import cache
from urllib.parse import urlsplit

from tests.chaos.crowd.line import GaveUp, Line, Patience
from tests.chaos.crowd.records import Kept
from tests.chaos.crowd.whole_files import IN_FORM
from tests.e2e.image_client import Answer, ImageClient
from tests.e2e.image_client import picture as drawn
from tests.e2e.test_form_upload import file_part, form
from tests.support.wire import Http

_KINDS = 24
_PAUSE = (8.0, 16.0)
_LOOK_SECONDS = (1.0, 2.0)
_OVER = ("DONE", "ERROR", "FAILED")
# What the receiver says where HTTP has 503 or 507; its client sends the picture again.
_RETRIED = ("try again", "is full")


@cache
def picture(number: int) -> bytes:
    return drawn(number)


def image(line: Line) -> None:
    """One that is drawn in three sizes."""
    line.pause(*_PAUSE)
    body = form(file_part(picture(line.draw.randrange(_KINDS)), "a.jpg", "image/jpeg"))
    image_id = json.loads(line.ask("POST", "/images", [body], IN_FORM, sampled="picture").body)["id"]
    line.records.images[image_id] = line.owner
    for _ in range(10):
        line.pause(*_LOOK_SECONDS)
        told = json.loads(line.ask("GET", f"/images/{image_id}").body)
        if told["status"] in _OVER:
            break
    if told["status"] == "DONE":
        line.ask("GET", urlsplit(told["thumbnails"]["100x100"]).path)


def instruction(line: Line) -> None:
    line.pause(*_PAUSE)
    wanted = json.dumps({"product_id": "images/thumbnails"}).encode()
    made = line.ask("POST", "/instructions", [wanted], {"Content-Type": "application/json"})
    instruction_id = json.loads(made.body)["data"]["instruction"]["id"]
    body = form(file_part(picture(line.draw.randrange(_KINDS)), "a.jpg", "image/jpeg"))
    path = f"/instructions/{instruction_id}/details"
    added = json.loads(line.ask("POST", path, [body], IN_FORM, sampled="picture").body)["data"]["input"]
    line.records.details[instruction_id, added["id"]] = line.owner
    for _ in range(10):
        line.pause(*_LOOK_SECONDS)
        told = json.loads(line.ask("GET", f"{path}/{added['id']}").body)["data"]["detail"]
        if told["status"] in _OVER:
            break
    if told["status"] == "DONE":
        line.ask("GET", f"{path}/{told['output_id']}/file")


def receiver(line: Line) -> None:
    """A session of three pictures; where its socket breaks it opens another and sends the picture again."""
    session_id = str(uuid.UUID(int=line.draw.getrandbits(128)))
    client: ImageClient | None = None
    for index, number in enumerate(line.draw.sample(range(_KINDS), 3)):
        line.pause(*_PAUSE)
        patience = Patience()
        while True:
            try:
                client = client or _opened(line, session_id)
                answer = client.upload(index, picture(number))
            except (OSError, AssertionError) as error:  # refused, cut, or closed in the middle of it
                line.troubled(0, type(error).__name__)
                if client:
                    client.socket.close()
                client = None
            else:
                if answer["status"] == "success":
                    break
                client = client if _is_passing(line, answer) else None
            patience.failed()
        line.records.answer(line.who, 200)
        line.records.acknowledge(len(picture(number)))
        file_id = answer["file_name"].partition("_")[2].partition(".")[0]
        digest = hashlib.sha256(picture(number)).hexdigest()
        line.records.kept.append(Kept(line.owner, f"/files/{file_id}/content", digest, line.who))
    if client:
        client.socket.close()


def _opened(line: Line, session_id: str) -> ImageClient:
    http = Http(urlsplit(line.url).port or 80, tuple(line.headers.items()))
    return ImageClient(http, user_id=line.owner, session_id=session_id)


def _is_passing(line: Line, answer: Answer) -> bool:
    """Whether the socket can be used for the next try.

    Raises:
        GaveUp: another try would bring nothing.
    """
    if answer["status"] == "timeout":
        line.troubled(0, "timeout")
        return False
    if any(words in answer["message"] for words in _RETRIED):
        line.troubled(503, answer["message"])
        return True
    line.troubled(400, str(answer))
    raise GaveUp
