"""Junk in every length, offset, index and limit, and floods of what is told about a file."""

import json
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from tests.e2e.attacks.besieged import Attack, Besieged, Told, asked, sent, told
from tests.e2e.attacks.names import JSON, json_to, to_image_receiver
from tests.e2e.chunk_client import BASE, multipart
from tests.e2e.rights.people import FORM
from tests.e2e.tus import BYTES, VERSION, id_of, metadata
from tests.support.wire import Header

USER: Header = ("X-User-Id", "0" * 24)
JUNK, CHUNKS = "e2e/test_tus_junk.py", "e2e/test_chunk_api.py"


def created(*headers: Header, body: bytes | None = None) -> Callable[[Besieged], Told]:
    return asked("POST", "/uploads", VERSION, *headers, body=body)


def length(value: str | bytes) -> Callable[[Besieged], Told]:
    return created(("Upload-Length", value))


def offset(value: str | bytes, body: bytes = b"hello") -> Callable[[Besieged], Told]:
    """To an upload of ten bytes."""
    headers: list[Header] = [VERSION, BYTES, ("Upload-Offset", value)]
    return lambda besieged: told(besieged.http.request("PATCH", besieged.tus.created(10), headers, body))


def chunk(**fields: object) -> Callable[[Besieged], Told]:
    def tried(besieged: Besieged) -> Told:
        begun = besieged.http.request("POST", f"{BASE}/upload/init", [FORM], multipart({})).json()["data"]["upload_id"]
        form = multipart({"chunk_size": 5, "upload_id": begun, "chunk_index": 0, **fields}, b"hello")
        return told(besieged.http.request("POST", f"{BASE}/upload/chunk", [FORM], form))

    return tried


def completed(**fields: object) -> Callable[[Besieged], Told]:
    def tried(besieged: Besieged) -> Told:
        begun = besieged.http.request("POST", f"{BASE}/upload/init", [FORM], multipart({})).json()["data"]["upload_id"]
        said = {"upload_id": begun, "total_chunks": 0, "total_size": 0, "file_extension": "txt", "content_type": "a/b"}
        return told(besieged.http.request("POST", f"{BASE}/upload/complete", [FORM], multipart({**said, **fields})))

    return tried


def content(*headers: Header, query: str = "") -> Callable[[Besieged], Told]:
    """Of a file of ten bytes: the answer's status, and how much of it there is."""

    def tried(besieged: Besieged) -> Told:
        file_id = id_of(besieged.tus.completed(bytes(10)))
        answer = besieged.http.get(f"/files/{file_id}/content{query}", *headers)
        return told(answer) if answer.status >= 400 else (answer.status, f"{len(answer.body)} bytes")

    return tried


def put(head: bytes) -> Callable[[Besieged], Told]:
    return sent(b"PUT /upload/a HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\nhello")


def _pairs(count: int) -> Header:
    return metadata(**{f"k{number}": "v" for number in range(count)})


_NOT_WHOLE = "input should be a valid integer, unable to parse string as an integer"

ATTACKS: Sequence[Attack] = (
    Attack("a length below nothing", length("-1"), (400, "invalid_request"), JUNK),
    Attack("a length by an exponent", length("1e9"), (400, "invalid_request"), JUNK),
    Attack("a length of 16 digits", length("9" * 16), (400, "invalid_request"), JUNK),
    Attack("a length of 5,000 digits", length("9" * 5000), (400, "invalid_request"), JUNK),
    Attack("a length in Arabic digits", length("٥"), (400, "invalid_request"), JUNK),
    Attack("a length that Python takes for a digit", length(b"\xb2"), (400, "invalid_request"), JUNK),
    Attack("two lengths", created(("Upload-Length", "5"), ("Upload-Length", "6")), (400, "invalid_request"), JUNK),
    Attack(
        "a length, and none",
        created(("Upload-Length", "5"), ("Upload-Defer-Length", "1")),
        (400, "invalid_request"),
        JUNK,
    ),
    Attack("a length deferred twice over", created(("Upload-Defer-Length", "2")), (400, "invalid_request"), JUNK),
    Attack("a petabyte", length("9" * 15), (413, "upload_too_large"), "e2e/test_tus_creation.py"),
    Attack("an offset below nothing", offset("-5"), (400, "invalid_request"), JUNK),
    Attack("an offset in hexadecimal", offset("0x0"), (400, "invalid_request"), JUNK),
    Attack("an offset ahead", offset("5"), (409, "offset_mismatch"), "e2e/test_tus_core.py"),
    Attack("more than the length", offset("0", bytes(11)), (413, "length_exceeded"), "e2e/test_tus_core.py"),
    Attack(
        "a checksum that overruns",
        created(("Upload-Length", "5"), ("Upload-Checksum", "sha1 " + "A" * 5000), BYTES, body=b"hello"),
        (400, "invalid_checksum"),
        "e2e/test_tus_checksum.py",
    ),
    Attack("a body of plus five", put(b"Content-Length: +5"), (400, "invalid_request"), "e2e/test_framing.py"),
    Attack(
        "a body of 19 digits", put(b"Content-Length: " + b"9" * 19), (400, "invalid_request"), "e2e/test_framing.py"
    ),
    Attack(
        "a chunk before the first",
        chunk(chunk_index=-1),
        (422, "[body->chunk_index] input should be greater than or equal to 0"),
        CHUNKS,
    ),
    Attack(
        "a chunk beyond all",
        chunk(chunk_index=10**15 - 1),
        (422, "[body->total_size] at most 53687091200 bytes"),
        CHUNKS,
    ),
    Attack("a chunk of 30 digits", chunk(chunk_index="9" * 30), (422, f"[body->chunk_index] {_NOT_WHOLE}"), CHUNKS),
    Attack(
        "chunks of no size",
        chunk(chunk_size=0),
        (422, "[body->chunk_size] input should be greater than or equal to 1"),
        CHUNKS,
    ),
    Attack(
        "an index below nothing",
        to_image_receiver(file_idx=-1),
        (101, "file_idx is not valid: input should be greater than or equal to 0"),
        "e2e/test_image_receiver.py",
    ),
    Attack(
        "an index beyond all",
        to_image_receiver(file_idx=10**30),
        (101, "file_idx is not valid: input should be less than or equal to 2147483647"),
        "e2e/test_image_receiver.py",
    ),
    Attack(
        "an index that is none",
        to_image_receiver(file_idx=True),
        (101, "file_idx is not valid: input should be a valid integer"),
        "e2e/test_image_receiver.py",
    ),
    Attack(
        "a page of minus one",
        asked("GET", "/instructions?limit=-1", USER),
        (400, "invalid_request"),
        "e2e/test_instructions.py",
    ),
    Attack(
        "a place beyond all time",
        asked("GET", f"/instructions?cursor={'9' * 18}-{'0' * 32}", USER),
        (400, "invalid_request"),
        "e2e/test_instructions.py",
    ),
    Attack(
        "a time beyond all time",
        asked("GET", "/instructions?from=9999-12-31T23:59:59-23:59", USER),
        (400, "invalid_request"),
        "e2e/test_instructions.py",
    ),
    Attack(
        "a link for ever",
        asked("POST", f"/files/{'0' * 32}/links?seconds=1e9"),
        (404, "file_not_found"),
        "e2e/test_visibility.py",
    ),
    Attack(
        "a quality of 5,000 digits",
        asked(
            "POST",
            "/instructions",
            JSON,
            USER,
            body=b'{"product_id": "images/compress", "parameters": {"quality": ' + b"9" * 5000 + b"}}",
        ),
        (400, "invalid_request"),
        "e2e/test_products.py",
    ),
    Attack(
        "a quality that is no number",
        asked(
            "POST",
            "/instructions",
            JSON,
            USER,
            body=b'{"product_id": "images/compress", "parameters": {"quality": NaN}}',
        ),
        (400, "invalid_request"),
        "e2e/test_products.py",
    ),
    Attack(
        "JSON as deep as a well",
        asked("POST", "/instructions", JSON, USER, body=b"[" * 16_000),
        (400, "invalid_request"),
        "e2e/test_instructions.py",
    ),
    Attack(
        "JSON of a megabyte",
        json_to("/instructions", product_id="x" * 2**20),
        (413, "too_large"),
        "e2e/test_instructions.py",
    ),
    Attack(
        "a range of 40 digits",
        content(("Range", f"bytes={'9' * 40}-")),
        (416, "range_not_satisfiable"),
        "adapters/http/test_ranges.py",
    ),
    Attack(
        "a hundred ranges",
        content(("Range", "bytes=" + ",".join(["0-"] * 100))),
        (200, "10 bytes"),
        "adapters/http/test_ranges.py",
    ),
    Attack(
        "a place in the stream of 5,000 digits",
        asked("GET", "/events", ("Last-Event-ID", "9" * 5000)),
        (400, "invalid_request"),
        "adapters/http/test_events_sse.py",
    ),
    # floods
    Attack(
        "65 pairs of metadata",
        created(("Upload-Length", "5"), _pairs(65)),
        (400, "invalid_metadata"),
        "e2e/test_tus_creation.py",
    ),
    Attack(
        "20 KiB of metadata",
        created(("Upload-Length", "5"), metadata(a="x" * 20_000)),
        (400, "invalid_metadata"),
        "e2e/test_tus_creation.py",
    ),
    Attack(
        "a key said twice",
        created(("Upload-Length", "5"), ("Upload-Metadata", "a eA==,a eQ==")),
        (400, "invalid_metadata"),
        "e2e/test_tus_creation.py",
    ),
    Attack(
        "metadata that is no base64",
        created(("Upload-Length", "5"), ("Upload-Metadata", "a ***")),
        (400, "invalid_metadata"),
        "e2e/test_tus_creation.py",
    ),
    Attack(
        "101 parts to be joined",
        created(("Upload-Concat", "final;" + f" /uploads/{'0' * 32}" * 101)),
        (400, "too_many_parts"),
        "e2e/test_tus_concatenation.py",
    ),
    Attack(
        "500 fields of a credential",
        content(query="?" + urlencode({f"k{number}": "v" for number in range(500)})),
        (400, "invalid_request"),
        "e2e/test_visibility.py",
    ),
    Attack(
        "2,100 fields of a query",
        asked("GET", "/events?" + "a=b&" * 2100),
        (400, "invalid_request"),
        "e2e/test_framing.py",
    ),
    Attack(
        "a credential of 100 keys",
        completed(credential=json.dumps({f"k{at}": "v" for at in range(100)})),
        (422, "[body->credential] a credential has at most 64 keys and 16384 letters"),
        CHUNKS,
    ),
    Attack("a field of 65 KiB", completed(detail="x" * 65 * 1024), (413, "detail has more than 65536 bytes"), CHUNKS),
)
