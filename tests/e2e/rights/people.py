"""Who asks, in each mode: an owner, others, an administrator, a stranger; and the things that are the owner's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from PIL import Image

from tests.e2e.chunk_client import BASE, BOUNDARY, multipart
from tests.e2e.test_form_upload import MULTIPART, file_part, form
from tests.e2e.test_owners import as_user
from tests.e2e.test_tokens import bearing, ours
from tests.e2e.tus import Tus, id_of, metadata
from tests.support.tokens import ANNA, BERT, signed
from tests.support.until import until
from tests.support.wire import Header, Http

CLARA, DORA = ("c1a5a" * 4 + "0000", "d03a" * 6)
FORM: Header = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")


@dataclass(frozen=True)
class People:
    """``others`` are users and a guest; in the mode ``open`` all of them are one."""

    owner: Http
    others: Mapping[str, Http]
    admin: Http
    stranger: Http
    mark: str = "of-its-owner"
    """In the name and the bytes of all that is the owner's: nobody else is ever told it."""
    are_one: bool = False


def by_tokens(http: Http) -> People:
    return People(
        owner=bearing(http, signed(ours(ANNA))),
        others={"Bert": bearing(http, signed(ours(BERT)))},
        admin=bearing(http, signed(ours(CLARA, scope="files admin"))),
        stranger=http,
    )


def by_gateway(http: Http) -> People:
    """The guest has the owner's number."""
    guest = http.with_headers(("X-Guest-Id", ANNA))
    return People(
        owner=as_user(http, ANNA),
        others={"Bert": as_user(http, BERT), "the guest": guest},
        admin=as_user(http, CLARA).with_headers(("X-User-Scope", "admin")),
        stranger=http,
    )


def of_a_guest(http: Http) -> People:
    """The same with what is a guest's."""
    guest = http.with_headers(("X-Guest-Id", DORA))
    others = {"the user of that number": as_user(http, DORA), "Bert": as_user(http, BERT)}
    admin = http.with_headers(("X-Guest-Id", CLARA), ("X-User-Scope", "files,admin"))
    return People(owner=guest, others=others, admin=admin, stranger=http, mark="of-the-guest")


def in_the_open(http: Http) -> People:
    people = by_gateway(http)
    return People(people.owner, people.others, people.admin, people.stranger, are_one=True)


@cache
def picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (160, 120), (200, 30, 30)).save(file, "JPEG")
    return file.getvalue()


class Things:
    """What the owner has, made as it is asked for; ``renew`` makes it again where it was used up."""

    def __init__(self, people: People) -> None:
        self._who, self._mark = people.owner, people.mark
        self._tus = Tus(people.owner)
        self._made: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self._made:
            self._made |= getattr(self, f"_{name}")()
        return self._made[name]

    def renew(self) -> None:
        self._made.clear()

    def _upload(self) -> dict[str, str]:
        """Five bytes of ten have come."""
        target = self._tus.created(10, metadata(filename=self._mark))
        assert self._tus.patch(target, 0, b"hello").status == 204
        return {"upload": id_of(target)}

    def _part(self) -> dict[str, str]:
        return {"part": id_of(self._tus.completed(b"hello", ("Upload-Concat", "partial")))}

    def _file(self) -> dict[str, str]:
        return {"file": id_of(self._tus.completed(self._mark.encode(), metadata(filename=f"{self._mark}.txt")))}

    def _binned(self) -> dict[str, str]:
        """Deleted, and its owner may think better of it."""
        file_id = id_of(self._tus.completed(self._mark.encode(), metadata(filename=f"{self._mark}.txt")))
        assert self._who.request("DELETE", f"/files/{file_id}?undo=1").status == 204
        return {"binned": file_id}

    def _archive(self) -> dict[str, str]:
        ids = json.dumps({"ids": [self["file"]]}).encode()
        return {"archive": self._who.request("POST", "/files/archive", [], ids).json()["url"].partition("=")[2]}

    def _chunks(self) -> dict[str, str]:
        """All of them have come."""
        target = f"{BASE}/upload"
        upload_id = self._who.request("POST", f"{target}/init", [FORM], multipart({})).json()["data"]["upload_id"]
        fields = {"chunk_size": 5, "upload_id": upload_id, "chunk_index": 0}
        assert self._who.request("POST", f"{target}/chunk", [FORM], multipart(fields, b"hello")).status == 200
        return {"chunks": upload_id}

    def _image(self) -> dict[str, str]:
        body = form(file_part(picture() + self._mark.encode(), f"{self._mark}.jpg", "image/jpeg"))
        image_id = self._who.request("POST", "/images", [MULTIPART], body).json()["id"]
        until(lambda: self._who.get(f"/images/{image_id}").json()["status"] == "DONE")
        return {"image": image_id}

    def _output(self) -> dict[str, str]:
        product = b'{"product_id": "images/thumbnails"}'
        instruction = self._who.request("POST", "/instructions", [], product).json()["data"]["instruction"]["id"]
        details = f"/instructions/{instruction}/details"
        body = form(file_part(picture() + self._mark.encode(), f"{self._mark}.jpg", "image/jpeg"))
        pair = self._who.request("POST", details, [MULTIPART], body).json()["data"]
        output = pair["output"]["id"]
        until(lambda: self._who.get(f"{details}/{output}").json()["data"]["detail"]["status"] == "DONE")
        return {"instruction": instruction, "detail": pair["input"]["id"], "output": output}

    _instruction = _detail = _output
