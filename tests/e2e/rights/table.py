"""What everybody is answered, route by route: the owner of the things named, others, a stranger, an administrator.

Foreign is 404 on native routes, as what does not exist; 403 where instructions are told, and 422 where the chunk API
calls it a wrong field. A stranger is 401 wherever a name could help. Deeper: tests/e2e/test_owners.py (each answer
compared with that to what does not exist), test_visibility.py (public files, credentials, links), test_tokens.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.e2e.chunk_client import BASE, multipart
from tests.e2e.rights.people import FORM, Things, picture
from tests.e2e.test_form_upload import MULTIPART, file_part, form
from tests.e2e.tus import BYTES, VERSION
from tests.support.wire import Header

JSON: Header = ("Content-Type", "application/json")
ANYBODY = (200, 200, 200, 200)
PRIVATE = (200, 404, 401, 200)
TOLD_APART = (200, 403, 401, 200)
OF_ONES_OWN = (200, 200, 401, 200)
"""Everybody's answer is about what is theirs, and about nobody else."""


@dataclass(frozen=True, slots=True)
class Row:
    """``{file}`` and the like stand for what is the owner's, in the path, the headers and the body."""

    methods: str
    path: str
    told: tuple[int, int, int, int]
    """To the owner, to others, to a stranger, to an administrator."""
    headers: Sequence[Header] = ()
    body: bytes | Mapping[str, object] | None = None
    """Or the fields of a form of the chunk API."""
    file: bytes | None = None
    """And the file in it."""
    spends: bool = False
    """What it is about is there no more, or not as it was, once it has succeeded."""
    is_a_key: bool = False
    """Whoever has the link is told what its maker would be."""
    wants_a_name: bool = False
    """In the mode ``open`` as well."""
    in_the_open: int | None = None
    """What all are told in that mode, where it is not what the owner is told elsewhere."""

    def filled(self, method: str, things: Things) -> tuple[str, str, list[Header], bytes | None]:
        """As a request."""

        def fill(text: str) -> str:
            return text.format_map(things) if "{" in text else text

        headers: list[Header] = [(name, fill(str(value))) for name, value in self.headers]
        body: bytes | None
        if isinstance(self.body, Mapping):
            headers.append(FORM)
            body = multipart({name: fill(str(value)) for name, value in self.body.items()}, self.file)
        elif self.body is not None and self.body.startswith(b'{{"'):
            body = fill(self.body.decode()).encode()
        else:
            body = self.body
        return method, fill(self.path), headers, body


def _reads(path: str, told: tuple[int, int, int, int], *, is_a_key: bool = False, wants_a_name: bool = False) -> Row:
    return Row("GET HEAD", path, told, is_a_key=is_a_key, wants_a_name=wants_a_name)


_PATCH: Sequence[Header] = (VERSION, BYTES, ("Upload-Offset", "5"))
_DETAILS = "/instructions/{instruction}/details"
_PICTURE = form(file_part(picture(), "a.jpg", "image/jpeg"))

ROWS: Sequence[Row] = (
    # tus and the IETF's
    Row("OPTIONS", "/uploads", (204, 204, 204, 204)),
    Row("POST", "/uploads", (201, 201, 401, 201), [VERSION, ("Upload-Length", "5")]),
    Row("POST", "/uploads", (201, 404, 401, 201), [VERSION, ("Upload-Concat", "final;/uploads/{part}")], spends=True),
    Row("GET HEAD", "/uploads?state=open", OF_ONES_OWN),
    Row("OPTIONS", "/uploads/{upload}", (204, 204, 204, 204)),
    Row("HEAD", "/uploads/{upload}", PRIVATE, [VERSION]),
    Row("HEAD", "/uploads/{upload}", (204, 404, 401, 204)),
    Row("GET", "/uploads/{upload}", PRIVATE),
    Row("GET", "/uploads/{file}", PRIVATE),
    Row("PATCH", "/uploads/{upload}", (204, 404, 401, 204), _PATCH, b"world", spends=True),
    Row(
        "POST",
        "/uploads/{upload}",
        (204, 404, 401, 204),
        [*_PATCH, ("X-HTTP-Method-Override", "PATCH")],
        b"world",
        spends=True,
    ),
    Row(
        "POST",
        "/uploads/{upload}",
        (204, 404, 401, 204),
        [VERSION, ("X-HTTP-Method-Override", "DELETE")],
        spends=True,
    ),
    Row("DELETE", "/uploads/{upload}", (204, 404, 401, 204), [VERSION], spends=True),
    Row("DELETE", "/uploads/{file}", (204, 404, 401, 204), [VERSION], spends=True),
    # whole files
    Row("POST", "/upload", OF_ONES_OWN, [MULTIPART], form(file_part(b"hello"))),
    Row("PUT", "/upload/a.txt", (201, 201, 401, 201), body=b"hello"),
    # stored files
    _reads("/files/{file}", PRIVATE),
    Row("GET HEAD", "/uploads?state=completed", OF_ONES_OWN),
    Row("PATCH", "/files/{file}", (200, 404, 401, 200), [JSON], b'{"visibility": "private"}'),
    Row("DELETE", "/files/{file}", (204, 404, 401, 204), spends=True),
    Row("DELETE", "/files/{file}?undo=1", (204, 404, 401, 204), spends=True),
    Row("POST", "/files/{binned}/restore", PRIVATE, spends=True),
    Row("POST", "/files/delete", OF_ONES_OWN, [JSON], b'{{"ids": ["{file}"]}}', spends=True),
    Row("POST", "/files/restore", OF_ONES_OWN, [JSON], b'{{"ids": ["{binned}"]}}', spends=True),
    _reads("/files/{file}/content", PRIVATE),
    Row("POST", "/files/{file}/links", (201, 404, 401, 201)),
    Row("POST", "/files/archive", (201, 404, 401, 201), [JSON], b'{{"ids": ["{file}"]}}'),
    _reads("/files/archive?link={archive}", ANYBODY, is_a_key=True),
    # the chunk API
    Row("POST", f"{BASE}/upload/init", OF_ONES_OWN, body={}),
    Row(
        "POST",
        f"{BASE}/upload/chunk",
        (200, 422, 401, 200),
        body={"chunk_size": 5, "upload_id": "{chunks}", "chunk_index": 0},
        file=b"hello",
    ),
    Row(
        "POST",
        f"{BASE}/upload/complete",
        (200, 422, 401, 200),
        body={
            "upload_id": "{chunks}",
            "total_chunks": 1,
            "total_size": 5,
            "file_extension": "txt",
            "content_type": "text/plain",
            "credential": '{{"k": "v"}}',
        },
        spends=True,
    ),
    Row("POST", f"{BASE}/upload/retry", (400, 404, 401, 400), body={"file_id": "{file}"}),
    _reads(f"{BASE}/get/{{file}}", (200, 404, 404, 200)),
    _reads(f"{BASE}/status/{{file}}", (200, 404, 404, 200)),
    _reads(f"{BASE}/status/{{upload}}", (200, 404, 404, 200)),
    # pictures
    Row("POST", "/images", OF_ONES_OWN, [MULTIPART], _PICTURE),
    Row("POST", "/images", PRIVATE, [JSON], b'{{"file_id": "{image}"}}'),
    _reads("/images/{image}", PRIVATE),
    _reads("/images/{image}/original", PRIVATE),
    _reads("/images/{image}/thumbnails/100x100", PRIVATE),
    # instructions
    _reads("/products", OF_ONES_OWN),
    Row("POST", "/instructions", OF_ONES_OWN, [JSON], b'{"product_id": "images/compress"}', wants_a_name=True),
    _reads("/instructions", OF_ONES_OWN, wants_a_name=True),
    _reads("/instructions/{instruction}", TOLD_APART, wants_a_name=True),
    Row("POST", _DETAILS, TOLD_APART, [MULTIPART], _PICTURE, wants_a_name=True),
    Row("POST", _DETAILS, TOLD_APART, [JSON], b'{{"file_id": "{image}"}}', wants_a_name=True),
    _reads(_DETAILS, TOLD_APART, wants_a_name=True),
    _reads(f"{_DETAILS}/{{detail}}", TOLD_APART, wants_a_name=True),
    _reads(f"{_DETAILS}/{{output}}", TOLD_APART, wants_a_name=True),
    _reads(f"{_DETAILS}/{{detail}}/file", TOLD_APART, wants_a_name=True),
    _reads(f"{_DETAILS}/{{output}}/file", TOLD_APART, wants_a_name=True),
    _reads("/files", (403, 403, 401, 200), wants_a_name=True),
    # what opens what has no end: tests/e2e/rights/test_rights.py has what is told there
    Row("POST", "/tickets", (201, 201, 401, 201)),
    Row("GET HEAD", "/events?upload_id={upload}", OF_ONES_OWN),
    Row("GET HEAD", "/notifications/sse?last_event_id=none", OF_ONES_OWN),
    Row("GET", "/ws/progress?upload_id={upload}", (101, 101, 401, 101)),
    Row("GET", "/image/upload", (101, 101, 401, 101)),
    # what is for administrators
    Row("GET HEAD", "/admin", (403, 403, 401, 200), in_the_open=200),
    Row("GET HEAD", "/admin/cleanup", (403, 403, 401, 200), in_the_open=200),
    Row("POST", f"/admin/jobs/{'0' * 32}/retry", (403, 403, 401, 404), in_the_open=404),
    Row("GET HEAD", "/metrics", (403, 403, 401, 200), in_the_open=200),
    # what is for anybody
    _reads("/me", ANYBODY),
    _reads("/health", ANYBODY),
    _reads("/openapi.json", ANYBODY),
    _reads("/asyncapi.json", ANYBODY),
    _reads("/docs", ANYBODY),
    _reads("/docs/LICENSE.txt", ANYBODY),
    _reads("/", ANYBODY),
    _reads("/static/app.js", ANYBODY),
    Row("OPTIONS", "*", (204, 204, 204, 204)),
)
