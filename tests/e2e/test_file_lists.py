"""Files that one finds again: ``GET /uploads?state=completed``. Contract §2, the table."""

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.conftest import StartServer, on_each_database
from tests.e2e.test_owners import ANNA, BERT, GATEWAY, as_user
from tests.e2e.tus import Tus, id_of, metadata
from tests.support.wire import Http


def listed(http: Http, **query: object) -> Any:
    answer = http.get("/uploads?" + urlencode({"state": "completed", **query}))
    assert answer.status == 200, answer
    assert answer.header("Cache-Control") == "no-store"
    return answer.json()


def names(http: Http, **query: object) -> list[str]:
    return [file["name"] for file in listed(http, **query)["uploads"]]


def walked(http: Http, **query: object) -> list[str]:
    """The ids of all pages."""
    found, cursor = [], None
    while True:
        page = listed(http, **query, **({"cursor": cursor} if cursor else {}))
        found += [file["id"] for file in page["uploads"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


@on_each_database
def test_files_are_listed_newest_first_and_page_by_page(tus: Tus, http: Http) -> None:
    tag = "walk"
    ids = [
        id_of(tus.completed(b"x" * size, metadata(filename=f"{tag} {name}", filetype=type_)))
        for name, size, type_ in (("b.TXT", 3, "text/plain"), ("Ä.png", 1, "image/png"), ("a.txt", 2, "text/plain"))
    ]
    assert [file["id"] for file in listed(http, name=tag)["uploads"]] == ids[::-1]
    assert walked(http, name=tag, limit=1) == ids[::-1]
    assert walked(http, name=tag, limit=2, sort="created_at") == ids
    assert names(http, name=f"{tag} ä") == [f"{tag} Ä.png"]
    assert names(http, name="WALK", media_type="image/") == [f"{tag} Ä.png"]
    assert names(http, name=tag, media_type="text", sort="name") == [f"{tag} a.txt", f"{tag} b.TXT"]
    assert walked(http, name=tag, sort="size", limit=1) == [ids[1], ids[2], ids[0]]
    assert walked(http, name=tag, sort="-size", limit=2) == [ids[0], ids[2], ids[1]]
    assert names(http, name=tag, media_type="video/") == []


def test_a_listed_file_is_told_as_by_its_own_address(tus: Tus, http: Http) -> None:
    upload = tus.completed(b"hello", metadata(filename="told here.txt"))
    unfinished = tus.created(10, metadata(filename="told here, later.txt"))
    [file] = listed(http, name="told here")["uploads"]
    image, sha256 = file.pop("image"), file.pop("sha256")
    own = http.get(f"/files/{id_of(upload)}").json()
    assert sha256 in (None, own.pop("sha256"))
    assert (image, file) == (None, own)
    assert [one["id"] for one in http.get("/uploads?state=open").json()["uploads"]] == [id_of(unfinished)]
    assert [one["id"] for one in http.get("/uploads").json()["uploads"]] == [id_of(unfinished)]
    tus.delete(unfinished)


def test_a_deleted_file_is_not_listed(tus: Tus, http: Http) -> None:
    upload = tus.completed(b"hello", metadata(filename="short-lived"))
    assert names(http, name="SHORT-lived") == ["short-lived"]
    http.request("DELETE", f"/files/{id_of(upload)}")
    assert listed(http, name="short-lived") == {"uploads": [], "next_cursor": None}


def _cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


ID = "0" * 32


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("state=", "invalid_request"),
        ("state=deleted", "invalid_request"),
        ("state=completed&state=completed", "invalid_request"),
        ("state=completed&limit=0", "invalid_request"),
        ("state=completed&limit=1001", "invalid_request"),
        ("state=completed&limit=-1", "invalid_request"),
        ("state=completed&limit=ten", "invalid_request"),
        ("state=completed&limit=", "invalid_request"),
        ("state=completed&sort=", "invalid_request"),
        ("state=completed&sort=owner", "invalid_request"),
        ("state=completed&sort=--size", "invalid_request"),
        ("state=completed&media_type=a%20b", "invalid_request"),
        ("state=completed&media_type=image/*/x", "invalid_request"),
        ("state=completed&name=a%00b", "invalid_request"),
        ("state=completed&name=" + "x" * 300, "invalid_request"),
        ("state=completed&owner=me", "invalid_request"),
        ("state=completed&owner=root:" + ID[:24], "invalid_request"),
        ("state=completed&cursor=", "invalid_cursor"),
        ("state=completed&cursor=junk", "invalid_cursor"),
        ("state=completed&cursor=%00%ff", "invalid_cursor"),
        ("state=completed&cursor=" + _cursor("-created_at", "x", ID), "invalid_cursor"),
        ("state=completed&cursor=" + _cursor("-created_at", -1, ID), "invalid_cursor"),
        ("state=completed&cursor=" + _cursor("-created_at", True, ID), "invalid_cursor"),
        ("state=completed&cursor=" + _cursor("-created_at", 1, "x"), "invalid_cursor"),
        ("state=completed&cursor=" + _cursor("-created_at", 1, ID, 1), "invalid_cursor"),
        ("state=completed&cursor=" + _cursor("name", "x", ID), "invalid_cursor"),
        ("state=completed&sort=size&cursor=" + _cursor("-size", 1, ID), "invalid_cursor"),
        ("state=completed&sort=size&cursor=" + _cursor("size", 1 << 70, ID), "invalid_cursor"),
        ("state=completed&cursor=" + _cursor(*[["x"] * 20] * 200), "invalid_cursor"),
    ],
    ids=lambda text: text[:60],
)
def test_what_no_list_can_be_made_of_is_refused(http: Http, query: str, code: str) -> None:
    answer = http.get(f"/uploads?{query}")
    assert (answer.status, answer.json()["code"]) == (400, code), answer


@on_each_database
def test_cursors_that_were_made_up_are_harmless(http: Http) -> None:
    for order, key in (("name", "'); --\0\ud800"), ("name", "ÿ" * 255), ("-created_at", (1 << 63) - 1), ("size", 0)):
        answer = http.get(f"/uploads?state=completed&sort={order}&cursor={_cursor(order, key, ID)}")
        assert answer.status == 200, answer


def test_everyone_sees_their_own_and_an_administrator_all(start_module_server: StartServer) -> None:
    http = Http(start_module_server(**GATEWAY).port)
    anna, bert = as_user(http, ANNA), as_user(http, BERT)
    admin = as_user(http, "a" * 24).with_headers(("X-User-Scope", "admin"))
    guest = http.with_headers(("X-Guest-Id", BERT))
    ids = [id_of(Tus(who).completed(b"hello", metadata(filename="ours"))) for who in (anna, bert, guest, admin)]
    for who, own in zip((anna, bert, guest, admin), ids, strict=True):
        assert walked(who) == [own]
    assert walked(anna, owner=ANNA.upper()) == ids[:1]
    assert walked(admin, owner=BERT) == ids[1:2]
    assert walked(admin, owner=f"guest:{BERT}") == ids[2:3]
    assert walked(admin, owner="*", limit=1) == ids[::-1]
    assert walked(admin, owner="b" * 24) == []
    assert [file["owner"] for file in listed(admin, owner="*")["uploads"]][1:] == [f"guest:{BERT}", BERT, ANNA]
    assert "owner" not in listed(anna)["uploads"][0]
    for owner in (BERT, f"guest:{ANNA}", "*"):
        answer = anna.get(f"/uploads?state=completed&owner={quote(owner)}")
        assert (answer.status, answer.json()["code"]) == (403, "forbidden")
    assert admin.get("/uploads?state=completed&owner=*&sort=name").status == 400
    assert http.get("/uploads?state=completed").status == 401
