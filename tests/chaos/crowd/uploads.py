"""Clients of resumable uploads: tus, the IETF's, and the chunk API's, a chunk at a time as a slow line has them."""

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping

from tests.chaos.crowd.line import GaveUp, Line, Patience
from tests.chaos.crowd.records import Kept
from tests.chaos.rig.client import TUS, Answer, HangingPatch, Refused, ResumingUpload, path_of
from tests.chaos.rig.content import Content
from tests.e2e.chunk_client import BASE, BOUNDARY, multipart

_KIB = 1024
_LARGE_BYTES = 12 * _KIB * _KIB
_LARGE_CHUNK_BYTES = 3 * _KIB * _KIB
_LARGE_SHARE = 0.01
_WATCHED_SHARE = 0.3
_INTEROP = {"Upload-Draft-Interop-Version": "8"}
PAUSE = (1.0, 3.0)
"""Seconds between two chunks of one client."""


def some_content(line: Line, *, most_kib: int = 700) -> Content:
    return Content(line.draw.getrandbits(60), line.draw.randrange(1, most_kib * _KIB))


def some_chunk_sizes(line: Line) -> list[int]:
    """From 4 to 256 KiB, small ones as likely as large ones; and one byte."""
    return [int(2 ** line.draw.uniform(12, 18)) + line.draw.randrange(3) for _ in range(8)] + [1]


def keep(line: Line, path: str, content: Content, file_id: str) -> None:
    """The file is acknowledged: it is compared and deleted now, or has to be there to the end."""
    records, kept = line.records, Kept(line.owner, path, content.sha256, line.who)
    if line.draw.random() < line.kept:
        records.kept.append(kept)
        return
    if hashlib.sha256(line.ask("GET", path).body).hexdigest() != content.sha256:
        records.broken.append(f"{line.who}: {path} is another, or no file yet")
    line.ask("DELETE", f"/files/{file_id}", expects={204, 404})  # 404: the answer to the first try was lost
    records.deleted.append((line.owner, path))


class OrdinaryUpload(ResumingUpload):
    """One that tries again as an ordinary client does, and writes down how long its chunks take."""

    kind = "tus chunk"

    def __init__(self, line: Line, content: Content, chunk_sizes: list[int], *, is_watched: bool) -> None:
        super().__init__(line.url, content, chunk_sizes=chunk_sizes, headers=line.headers)
        self._line = line
        self._is_watched = is_watched
        self._stands = 0
        self._is_completed = True  # once all of its bytes are there
        self._asked_at = 0.0

    def run(self, *, within: float = 600) -> None:
        """Raises:
        GaveUp, Refused
        """
        offset: int | None = None
        patience, deadline = Patience(), time.monotonic() + within
        try:
            while not self.complete:
                try:
                    offset = self._step(offset)
                except OSError as error:
                    if not str(error).startswith("POST answered"):  # which is written down already
                        self._line.troubled(0, type(error).__name__)
                    offset = None
                if offset is None:
                    patience.failed()
                else:
                    patience.succeeded()
                if time.monotonic() > deadline:
                    raise GaveUp
        finally:
            self._line.records.live.pop(self.id, None)
            self.close()

    def _step(self, offset: int | None) -> int | None:
        if not self.location:
            self.create()
            if self._is_watched:
                self._line.records.live[self.id] = self._line.owner
            return 0
        if offset is None:
            return self.resume()
        if offset == self.content.length and self._is_completed:
            self.complete = True
            return offset
        if not self._asked_at:
            self._line.pause(*PAUSE)
        return self.send(offset)

    def send(self, offset: int) -> int | None:
        began = time.monotonic()
        asked_at = self._asked_at = self._asked_at or began
        told = super().send(offset)
        if told is not None:
            self._line.records.sample(self.kind, began, asked_at, f"PATCH {self.location} at {offset}")
        return told

    def _promise(self, offset: int, answer: Answer) -> None:
        super()._promise(offset, answer)
        self._line.records.answer(self._line.who, answer.status)
        if offset > self._stands:
            self._line.records.acknowledge(offset - self._stands)
            self._stands, self._asked_at = offset, 0.0

    def _broken(self, what: str) -> None:
        self._line.records.broken.append(f"{self._line.who} {self.location}: {what}")

    def _puzzled(self, method: str, answer: Answer) -> None:
        self._line.troubled(answer.status, f"{method} {answer.body[:160]!r}")


class IetfUpload(OrdinaryUpload):
    """The same in the words of draft-ietf-httpbis-resumable-upload."""

    kind = "IETF chunk"
    _words = _INTEROP

    def _promise(self, offset: int, answer: Answer) -> None:
        """All bytes do not make it complete: where the reply to the last ones was lost, that has to be said again."""
        super()._promise(offset, answer)
        self._is_completed = answer.header("upload-complete") == "?1"

    def _creation(self) -> Mapping[str, str]:
        return {**_INTEROP, "Upload-Complete": "?0", "Upload-Length": str(self.content.length), "Content-Length": "0"}

    def _piece(self, stop: int) -> Mapping[str, str]:
        ends = "?1" if stop == self.content.length else "?0"
        return {**_INTEROP, "Content-Type": "application/partial-upload", "Upload-Complete": ends}


def tus(line: Line) -> None:
    _one(line, OrdinaryUpload)


def ietf(line: Line) -> None:
    _one(line, IetfUpload)


def _one(line: Line, kind: type[OrdinaryUpload]) -> None:
    is_large = line.draw.random() < _LARGE_SHARE
    content = Content(line.draw.getrandbits(60), _LARGE_BYTES) if is_large else some_content(line)
    is_watched = line.draw.random() < _WATCHED_SHARE
    sizes = [_LARGE_CHUNK_BYTES] if is_large else some_chunk_sizes(line)
    upload = kind(line, content, sizes, is_watched=is_watched)
    with contextlib.suppress(Refused):  # it is among the broken promises
        upload.run()
        keep(line, upload.location, content, upload.id)


def quitter(line: Line) -> None:
    """One that breaks off in the middle of a body, and comes back for it, ends it or never mind."""
    line.pause(*PAUSE)
    content = some_content(line)
    answer = line.ask("POST", "/uploads", headers={**TUS, "Upload-Length": str(content.length)})
    location = path_of(answer.header("location"))
    half = content.length // 2
    try:
        patch = HangingPatch(line.url, location, line.headers, offset=0, announced=content.length, sent=b"")
        patch.more(content.read(0, half))
        line.pause(0.1, 1.0)
        patch.close()
    except OSError as error:
        line.troubled(0, type(error).__name__)
    if line.draw.random() < 0.5:
        line.ask("HEAD", location, headers=TUS)
    if line.draw.random() < 0.9:
        line.ask("DELETE", location, headers=TUS, expects={204, 404, 410})  # gone: its answer was lost


def chunks(line: Line) -> None:
    """A file by the chunk API, its chunks in any order."""
    content = some_content(line)
    size = line.draw.choice((16, 64, 128)) * _KIB
    count = -(-content.length // size)
    upload_id = json.loads(_posted(line, "/upload/init/", {}).body)["data"]["upload_id"]
    order = list(range(count))
    line.draw.shuffle(order)
    for index in order:
        line.pause(*PAUSE)
        data = content.read(index * size, (index + 1) * size)
        fields = {"chunk_size": size, "upload_id": upload_id, "chunk_index": index}
        _posted(line, "/upload/chunk/", fields, data, sampled="API chunk")
        line.records.acknowledge(len(data))
    fields = {"upload_id": upload_id, "file_extension": "zip", "content_type": "application/zip"}
    answer = _posted(line, "/upload/complete/", {**fields, "total_chunks": count, "total_size": content.length})
    file = json.loads(answer.body)["data"]
    keep(line, path_of(file["download_url"]), content, file["id"])


def _posted(
    line: Line, path: str, fields: Mapping[str, object], file: bytes | None = None, *, sampled: str = ""
) -> Answer:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return line.ask("POST", BASE + path, [multipart(fields, file)], headers, sampled=sampled)
