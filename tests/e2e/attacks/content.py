"""Files that are not what they say, and pictures that are more than they look."""

import io
from collections.abc import Callable, Sequence
from functools import cache

from PIL import Image

from domain.picture import PictureFormat
from tests.e2e.attacks.besieged import Attack, Besieged, Told, asked, told
from tests.e2e.image_client import ImageClient
from tests.e2e.test_form_upload import MULTIPART, file_part, form
from tests.e2e.tus import id_of, metadata
from tests.support.bombs import BOMBS
from tests.support.pictures import encoded, exif, quarters
from tests.support.until import until
from tests.support.wire import Header, Http, Response

USER: Header = ("X-User-Id", "0" * 24)
SAVED = "attachment, nosniff, default-src 'none'; sandbox"
SHOWN = "inline, nosniff, default-src 'none'; sandbox"
PAGE = b"<html><script>alert(document.domain)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
SERVED, IMAGES, BOMBED = "e2e/test_files.py", "e2e/test_images.py", "adapters/pillow/test_bombs.py"


def guards(answer: Response) -> Told:
    """What keeps a browser from running it."""
    disposition = (answer.header("Content-Disposition") or "").partition(";")[0]
    policy = answer.header("Content-Security-Policy")
    return answer.status, f"{disposition}, {answer.header('X-Content-Type-Options')}, {policy}"


def served(
    data: bytes | Callable[[], bytes], media_type: str, name: str = "a", *, by: str = "/files/{}/content"
) -> Callable[[Besieged], Told]:
    """Brought in as that, and asked for again."""

    def tried(besieged: Besieged) -> Told:
        content = data() if callable(data) else data
        target = besieged.tus.completed(content, metadata(filename=name, filetype=media_type))
        return guards(besieged.http.get(by.format(id_of(target))))

    return tried


def called(media_type: str | bytes) -> Callable[[Besieged], Told]:
    """What a file's Content-Type becomes."""

    def tried(besieged: Besieged) -> Told:
        answer = besieged.http.get(besieged.tus.completed(b"x", metadata(filetype=media_type)))
        return answer.status, answer.header("Content-Type") or ""

    return tried


def shown(data: Callable[[], bytes], part: str) -> Callable[[Besieged], Told]:
    """As a picture."""

    def tried(besieged: Besieged) -> Told:
        image_id = _posted(besieged.http, data()).json()["id"]
        _over(besieged.http, image_id)
        return guards(besieged.http.get(f"/images/{image_id}/{part}"))

    return tried


def posted(data: bytes | Callable[[], bytes], name: str = "a.jpg") -> Callable[[Besieged], Told]:
    """To be drawn: refused at once, or what became of it."""

    def tried(besieged: Besieged) -> Told:
        answer = _posted(besieged.http, data() if callable(data) else data, name)
        return (200, _over(besieged.http, answer.json()["id"])) if answer.status == 200 else told(answer)

    return tried


def received(data: Callable[[], bytes]) -> Callable[[Besieged], Told]:
    """By the image receiver."""

    def tried(besieged: Besieged) -> Told:
        with ImageClient(besieged.http) as client:
            return 101, str(client.upload(0, data())["message"])

    return tried


def worked_on(data: Callable[[], bytes]) -> Callable[[Besieged], Told]:
    """By an instruction."""

    def tried(besieged: Besieged) -> Told:
        http = besieged.http.with_headers(USER)
        made = http.request("POST", "/instructions", [], b'{"product_id": "images/compress"}').json()
        target = f"/instructions/{made['data']['instruction']['id']}/details"
        return told(http.request("POST", target, [MULTIPART], form(file_part(data(), "a.png", "image/png"))))

    return tried


def traces(besieged: Besieged) -> Told:
    """What the thumbnails of a picture tell that says where it was taken."""
    image_id = _posted(besieged.http, encoded(quarters(), PictureFormat.JPEG, exif=exif(6))).json()["id"]
    _over(besieged.http, image_id)
    answers = [besieged.http.get(f"/images/{image_id}/thumbnails/{size}") for size in (100, 300, 1200)]
    found = [Image.open(io.BytesIO(answer.body)) for answer in answers]
    told_by = {name for image in found for name in image.info} - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    return answers[0].status, f"{sorted(told_by)}, {sum(len(image.getexif()) for image in found)}"


def _posted(http: Http, data: bytes, name: str = "a.jpg") -> Response:
    return http.request("POST", "/images", [MULTIPART], form(file_part(data, name, "image/jpeg")))


def _over(http: Http, image_id: str) -> str:
    def look() -> str:
        status = str(http.get(f"/images/{image_id}").json()["status"])
        return status if status in ("DONE", "ERROR") else ""

    return until(look)


def _polyglot() -> bytes:
    """A whole picture, and a whole page behind it."""
    return encoded(quarters(), PictureFormat.GIF) + PAGE


@cache
def _jpeg() -> bytes:
    return encoded(quarters(), PictureFormat.JPEG)


_TOO_MANY = (413, "too_many_pixels")

ATTACKS: Sequence[Attack] = (
    # served back
    Attack("a page", served(PAGE, "text/html", "a.html"), (200, SAVED), SERVED),
    Attack("a page of XML", served(PAGE, "application/xhtml+xml"), (200, SAVED), SERVED),
    Attack("a picture that runs", served(SVG, "image/svg+xml", "a.svg"), (200, SAVED), SERVED),
    Attack("the same, called a PNG by its name", served(SVG, "image/svg+xml", "a.png"), (200, SAVED), SERVED),
    Attack("a page, called a PNG by its type", served(PAGE, "image/png", "a.html"), (200, SHOWN), SERVED),
    Attack("a script", served(b"alert(1)", "text/javascript", "a.js"), (200, SAVED), SERVED),
    Attack("a document that runs scripts", served(b"%PDF-1.7", "application/pdf"), (200, SAVED), SERVED),
    Attack("a page by the upload's own address", served(PAGE, "text/html", by="/uploads/{}"), (200, SAVED), SERVED),
    Attack("a picture and a page in one", served(_polyglot, "text/html", "a.gif"), (200, SAVED), SERVED),
    Attack("the same as an image", shown(_polyglot, "original"), (200, SHOWN), IMAGES),
    Attack("what was drawn of it", shown(_polyglot, "thumbnails/100"), (200, SHOWN), IMAGES),
    Attack("a type with a header in it", called("text/html\r\nX-A: b"), (200, "application/octet-stream"), SERVED),
    Attack("a type with a charset in it", called("image/png; charset=utf-7"), (200, "image/png"), SERVED),
    Attack("a type of 4 KiB", called("text/" + "x" * 4096), (200, "application/octet-stream"), SERVED),
    Attack("a type that is no text", called(b"\xff\xfe/html"), (200, "application/octet-stream"), SERVED),
    # pictures that are none
    Attack("a page, called a picture", posted(PAGE), (400, "invalid_picture"), IMAGES),
    Attack("SVG, called a picture", posted(SVG), (400, "invalid_picture"), IMAGES),
    Attack("a picture, called a program", posted(_jpeg, "a.exe"), (400, "invalid_picture"), IMAGES),
    Attack("PostScript, called a picture", posted(b"%!PS-Adobe-3.0 EPSF-3.0\n"), (400, "invalid_picture"), IMAGES),
    Attack(
        "a picture of 300 bytes",
        posted(lambda: _jpeg()[:300]),
        (400, "picture_corrupted"),
        "adapters/pillow/test_mutations.py",
    ),
    Attack(
        "a picture that breaks off",
        posted(lambda: _jpeg()[: len(_jpeg()) // 2]),
        (200, "ERROR"),
        "adapters/pillow/test_mutations.py",
    ),
    Attack(
        "a script for the image receiver",
        received(lambda: b"#!/bin/sh\n" * 20),
        (101, "Invalid file format"),
        "e2e/test_image_receiver.py",
    ),
    Attack("SVG to be worked on", worked_on(lambda: SVG), (400, "invalid_picture"), "e2e/test_instructions.py"),
    # bombs
    Attack("WebP of 268 megapixels", posted(BOMBS["webp of 16383²"]), _TOO_MANY, BOMBED),
    Attack("HEIC of 108 megapixels", posted(BOMBS["heic of 108 megapixels"]), _TOO_MANY, BOMBED),
    Attack("PNG of 900 megapixels", posted(BOMBS["png of 30000², one bit"]), _TOO_MANY, BOMBED),
    Attack("PNG of 2^62 pixels", posted(BOMBS["png that lies"]), _TOO_MANY, BOMBED),
    Attack(
        "PNG that has none of its 79 megapixels",
        posted(BOMBS["png that lies within the limit"]),
        (200, "ERROR"),
        BOMBED,
    ),
    Attack(
        "PNG with sixty texts of a megabyte",
        posted(BOMBS["png with sixty texts of a MB"]),
        (400, "picture_corrupted"),
        BOMBED,
    ),
    Attack("progressive JPEG of 400 megapixels", posted(BOMBS["progressive jpeg of 20000²"]), _TOO_MANY, BOMBED),
    Attack("GIF whose frame is larger than it", posted(BOMBS["gif whose frame is larger than it"]), _TOO_MANY, BOMBED),
    Attack(
        "a bomb for the image receiver",
        received(BOMBS["webp of 16383²"]),
        (101, "Too many pixels"),
        "e2e/test_image_receiver.py",
    ),
    Attack("a bomb to be worked on", worked_on(BOMBS["png that lies"]), _TOO_MANY, "e2e/test_instructions.py"),
    Attack("where it was taken", traces, (200, "[], 0"), "adapters/pillow/test_kinds.py"),
    Attack(
        "11 MiB for a picture",
        asked("POST", "/images", MULTIPART, body=lambda: form(file_part(_jpeg() + bytes(11 << 20), "a.jpg"))),
        (413, "upload_too_large"),
        IMAGES,
    ),
)
