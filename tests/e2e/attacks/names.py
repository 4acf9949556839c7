"""Names and ids that would be paths, commands or other people's: display data, or nothing at all."""

import json
import uuid
from collections.abc import Callable, Sequence
from urllib.parse import quote

from tests.e2e.attacks.besieged import Attack, Besieged, Told, asked, told
from tests.e2e.chunk_client import BASE, multipart
from tests.e2e.image_client import ImageClient, picture
from tests.e2e.rights.people import FORM
from tests.e2e.test_form_upload import MULTIPART, Part, form
from tests.e2e.tus import id_of, metadata
from tests.support.wire import Header

JSON: Header = ("Content-Type", "application/json")
TRAVERSAL = "../../../../bait/stolen.txt"
NAMES, IDS = "e2e/test_files.py", "e2e/test_errors.py"


def _known_as(besieged: Besieged, file_id: str) -> Told:
    """What the file is called, and whether the header that tells it is one header."""
    answer = besieged.http.get(f"/files/{file_id}/content")
    assert len(answer.all("Content-Disposition")) == 1 and answer.header("Set-Cookie") is None
    return answer.status, str(besieged.http.get(f"/files/{file_id}").json()["name"])


def by_tus(name: str | bytes) -> Callable[[Besieged], Told]:
    return lambda besieged: _known_as(besieged, id_of(besieged.tus.completed(b"x", metadata(filename=name))))


def by_put(segment: str) -> Callable[[Besieged], Told]:
    def tried(besieged: Besieged) -> Told:
        answer = besieged.http.request("PUT", f"/upload/{segment}", [], b"x")
        if answer.status != 201:
            return told(answer)
        return _known_as(besieged, id_of(answer.header("Location") or ""))

    return tried


def by_form(disposition: str) -> Callable[[Besieged], Told]:
    """``disposition``: as it is written."""

    def tried(besieged: Besieged) -> Told:
        answer = besieged.http.request("POST", "/upload", [MULTIPART], form(Part(disposition, b"x")))
        return _known_as(besieged, answer.json()["file"]["id"]) if answer.status == 200 else told(answer)

    return tried


def by_chunks(name: str) -> Callable[[Besieged], Told]:
    def tried(besieged: Besieged) -> Told:
        answer = besieged.http.request("POST", f"{BASE}/upload/init", [FORM], multipart({"filename": name}))
        upload_id = answer.json()["data"]["upload_id"]
        return answer.status, str(besieged.http.get(f"/uploads/{upload_id}").json()["filename"])

    return tried


def to_image_receiver(**said: object) -> Callable[[Besieged], Told]:
    """An upload, or what else ``said`` makes of it."""

    def tried(besieged: Besieged) -> Told:
        with ImageClient(besieged.http) as client:
            message = {"action": "upload", "file_idx": 0, "file_name": "a.jpg", **client._session, **said}
            answer = client.say(json.dumps(message))
            if answer["status"] != "ready":
                return 101, str(answer["message"])
            client.send(picture(1))
            client.socket.send_bytes(b"EOF")
            stored = str(client.answer()["file_name"])
            return 101, f"{stored.partition('_')[0]}_….{stored.rpartition('.')[2]}"

    return tried


def json_to(target: str, **content: object) -> Callable[[Besieged], Told]:
    user: Header = ("X-User-Id", str(uuid.UUID(int=7)))
    return asked("POST", target, JSON, user, body=json.dumps(content).encode())


ATTACKS: Sequence[Attack] = (
    # names
    Attack("a path, by tus", by_tus(TRAVERSAL), (200, "stolen.txt"), NAMES),
    Attack("a path of Windows, by tus", by_tus(r"..\..\C:\bait\stolen.txt"), (200, "stolen.txt"), NAMES),
    Attack("a path, escaped, by PUT", by_put("..%2f..%2fbait%2fstolen.txt"), (200, "stolen.txt"), NAMES),
    Attack("a path, escaped twice, by PUT", by_put("..%252f..%252fstolen.txt"), (200, "..%2f..%2fstolen.txt"), NAMES),
    Attack("dots for a name, by PUT", by_put("%2e%2e"), (200, "unnamed"), NAMES),
    Attack("a path, by a form", by_form(f'; name="file"; filename="{TRAVERSAL}"'), (200, "stolen.txt"), NAMES),
    Attack("a path in the other spelling", by_form("; name=file; filename*=UTF-8''..%2F..%2Fx"), (200, "x"), NAMES),
    Attack("a path, by chunks", by_chunks(TRAVERSAL), (200, "stolen.txt"), NAMES),
    Attack("a NUL, by tus", by_tus("a.html\0.png"), (200, "a.html.png"), NAMES),
    Attack("a NUL, by PUT", by_put("a.html%00.png"), (200, "a.html.png"), NAMES),
    Attack("a header in a name", by_tus("a\r\nSet-Cookie: x=1\r\n\r\n<b>"), (200, "aSet-Cookie: x=1<b>"), NAMES),
    Attack(
        "a header in a form's name",
        by_form('; name="file"; filename="a%0D%0ASet-Cookie: x"'),
        (200, "aSet-Cookie: x"),
        NAMES,
    ),
    Attack("an ending that runs backwards", by_tus("invoice\u202egpj.exe"), (200, "invoicegpj.exe"), NAMES),
    Attack("isolates and marks", by_tus("\u2066a\u2069\u200f.txt\ufeff"), (200, "a.txt"), NAMES),
    Attack("4 KiB of a name", by_tus("n" * 4096 + ".tar.gz"), (200, "n" * 248 + ".tar.gz"), NAMES),
    Attack("a device of Windows", by_tus("CON"), (200, "CON"), NAMES),
    Attack("quotes and a shell", by_tus('";rm -rf $(id)`x`|.sh'), (200, '";rm -rf $(id)`x`|.sh'), NAMES),
    Attack("a tag", by_tus("<img src=x onerror=alert(1)>.png"), (200, "<img src=x onerror=alert(1)>.png"), NAMES),
    Attack("bytes that are no UTF-8", by_tus(b"\xff\xfe\x00a"), (200, "ÿþa"), NAMES),
    Attack(
        "a path, to the image receiver",
        to_image_receiver(file_name=TRAVERSAL),
        (101, "0_….jpg"),
        "e2e/test_image_receiver.py",
    ),
    # ids
    Attack(
        "a path for a file's id", asked("GET", "/files/..%2f..%2fetc%2fpasswd/content"), (404, "file_not_found"), IDS
    ),
    Attack("a path for an upload's id", asked("DELETE", "/uploads/%2e%2e%2ffiles.db"), (404, "upload_not_found"), IDS),
    Attack("folders to go up in the path", asked("GET", "/static/../../../starter.py"), (404, "not_found"), IDS),
    Attack("the same, escaped", asked("GET", "/static/%2e%2e%2f%2e%2e%2fpages.py"), (404, "not_found"), IDS),
    Attack("a path from the root", asked("GET", "/static//etc/passwd"), (404, "not_found"), IDS),
    Attack("a NUL in an id", asked("GET", f"/files/{'0' * 32}%00"), (404, "file_not_found"), IDS),
    Attack("a line's end in an id", asked("GET", f"/files/{'0' * 32}%0d%0aX-A:%20b"), (404, "file_not_found"), IDS),
    Attack("digits of another script", asked("GET", "/uploads/" + quote("٠" * 32)), (404, "upload_not_found"), IDS),
    Attack("a mark in an id", asked("GET", f"/images/%e2%80%ae{'0' * 32}"), (404, "image_not_found"), IDS),
    Attack("4 KiB of an id", asked("GET", "/files/" + "0" * 4096), (404, "file_not_found"), IDS),
    Attack("SQL for an id", asked("GET", "/files/" + quote("' OR 1=1; --")), (404, "file_not_found"), IDS),
    Attack(
        "a path for an instruction",
        asked("GET", "/instructions/..%2ffiles", ("X-User-Id", "0" * 24)),
        (400, "invalid_id"),
        "e2e/test_instructions.py",
    ),
    Attack(
        "a path for a thumbnail's size",
        asked("GET", f"/images/{'0' * 32}/thumbnails/..%2f..%2fx"),
        (404, "thumbnail_not_found"),
        "e2e/test_images.py",
    ),
    Attack(
        "a path in JSON", json_to("/images", file_id="../../files.db"), (404, "image_not_found"), "e2e/test_images.py"
    ),
    Attack(
        "a path for a product",
        json_to("/instructions", product_id="../../images"),
        (404, "product_not_found"),
        "e2e/test_instructions.py",
    ),
    Attack(
        "a path for an upload, in a form",
        asked(
            "POST",
            f"{BASE}/upload/complete",
            FORM,
            body=multipart(
                {
                    "upload_id": TRAVERSAL,
                    "total_chunks": 1,
                    "total_size": 1,
                    "file_extension": "txt",
                    "content_type": "a/b",
                }
            ),
        ),
        (422, "[body->upload_id] file directory not found. please initialize first!"),
        "e2e/test_chunk_api.py",
    ),
    Attack(
        "a path for a session",
        to_image_receiver(session_id="../../../bait"),
        (101, "session_id has to be a UUID"),
        "e2e/test_image_receiver.py",
    ),
    Attack(
        "a path to be deleted",
        to_image_receiver(action="delete", file_name="../../files.db"),
        (101, "No such file"),
        "e2e/test_image_receiver.py",
    ),
    Attack(
        "an id of one's own choice",
        asked("POST", "/upload?upload_id=../x", MULTIPART, body=form()),
        (400, "invalid_request"),
        "e2e/test_form_upload.py",
    ),
)
