"""What one owner may keep, whichever way it comes in: a form, an instruction, an image, the image receiver."""

import uuid
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.image_client import ImageClient, padded
from tests.e2e.image_client import picture as drawn
from tests.e2e.test_form_upload import file_part
from tests.e2e.test_images import post as post_image
from tests.e2e.test_instructions import add, added, made, over
from tests.e2e.test_owners import GATEWAY, as_user
from tests.support.wire import Http

FILES, KIB = 3, 1024


@pytest.fixture(scope="module")
def http(start_module_server: StartServer) -> Http:
    return Http(start_module_server(**GATEWAY, QUOTA_FILES=str(FILES), QUOTA_BYTES="1MiB").port)


@pytest.fixture
def owner(http: Http) -> Http:
    return as_user(http, str(uuid.uuid4()))


def put(http: Http, size: int) -> None:
    assert http.request("PUT", "/upload/a.bin", [], bytes(size)).status == 201


def refusals(owner: Http, data: bytes) -> list[tuple[int, str]]:
    """What each way says to one more picture."""
    image = post_image(owner, data)
    detail = add(owner, made(owner), file_part(data, "a.jpg", "image/jpeg"))
    return [(image.status, image.json()["code"]), (detail.status, detail.json()["errors"][0]["code"])]


def received(owner: Http, data: bytes) -> dict[str, Any]:
    """The image receiver's last word."""
    client = ImageClient(owner, user_id=str(owner.headers[-1][1]))
    with client:
        return client.upload(0, data)


def test_who_has_as_many_files_as_they_may_brings_none_in_any_other_way(owner: Http) -> None:
    for _ in range(FILES - 1):
        put(owner, 10)
    pair = added(owner, made(owner), drawn(1))  # the last one; there is none for what comes of it
    failed = over(owner, pair["input"])
    assert (failed["status"], "files" in failed["error"]) == ("FAILED", True), failed
    assert refusals(owner, drawn(2)) == [(403, "too_many_files")] * 2
    assert received(owner, drawn(3))["status"] == "abort"
    assert owner.request("DELETE", f"/files/{pair['input']['file_id']}").status == 204
    assert received(owner, drawn(3))["status"] == "success"


def test_nor_does_who_has_no_bytes_left(owner: Http) -> None:
    put(owner, 1000 * KIB)
    large = padded(drawn(4), 100 * KIB)
    assert refusals(owner, large) == [(413, "quota_exceeded")] * 2
    assert received(owner, large)["status"] == "abort"
    assert post_image(owner, drawn(5)).status == 200
