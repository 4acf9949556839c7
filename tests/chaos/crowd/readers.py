"""Clients that listen and read: sockets and streams of progress, notifications, downloads."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.chaos.crowd.line import Line
from tests.e2e.test_notifications import Stream
from tests.e2e.test_progress import Events, Message
from tests.support.wire import Header, Http, WebSocket

_PATIENCE_SECONDS = 45.0
_LONGEST_SECONDS = 400.0
_RECONNECT_SECONDS = 1.0
_PASSING = ("repository_unavailable", "storage_unavailable")
_STATUS = re.compile(r"(?:not upgraded: |HTTP/1\.1 )(\d{3})")
_ENDS = ("COMPLETED", "ABORTED", "EXPIRED")


class _Watched:
    """What one reader has been told of one upload, over all its connections."""

    def __init__(self, line: Line, upload_id: str) -> None:
        self._line = line
        self.upload_id = upload_id
        self.offset = 0
        self.is_over = False
        self.last_id = ""

    def hear(self, message: Message) -> None:
        if message.get("code") in _PASSING:
            self._line.troubled(503, str(message))
        elif message["type"] == "error":
            # Its owner may have deleted it by now, but for that it has to be whole.
            if self.upload_id in self._line.records.live:
                self._line.records.broken.append(f"{self._line.who}: {self.upload_id} is watched: {message}")
            self.is_over = True
        elif "offset" in message:
            if message["offset"] < self.offset:
                text = f"{self._line.who}: {self.upload_id} went back from {self.offset}: {message}"
                self._line.records.broken.append(text)
            self.offset = message["offset"]
            self.is_over = message["state"] in _ENDS


def _messages_of_socket(http: Http, watched: _Watched) -> Iterator[Message]:
    socket = WebSocket.open(http, f"/ws/progress?upload_id={watched.upload_id}")
    try:
        yield from socket.messages(within=_PATIENCE_SECONDS)
    finally:
        socket.close()


def _messages_of_stream(http: Http, watched: _Watched) -> Iterator[Message]:
    last = [("Last-Event-ID", watched.last_id)] if watched.last_id else []
    events = Events(http, f"?upload_id={watched.upload_id}", *last)
    try:
        for _, id_, message in events.events(within=_PATIENCE_SECONDS):
            watched.last_id = str(id_) if id_ is not None else watched.last_id
            yield message
    finally:
        events.close()


def by_socket(line: Line) -> None:
    _watch(line, _messages_of_socket)


def by_stream(line: Line) -> None:
    _watch(line, _messages_of_stream)


def _watch(line: Line, messages_of: Callable[[Http, _Watched], Iterator[Message]]) -> None:
    line.pause(0.2, 1.0)
    uploads = line.records.watched()
    if not uploads:
        return
    upload_id, owner = line.draw.choice(uploads)
    watched, deadline = _Watched(line, upload_id), time.monotonic() + _LONGEST_SECONDS
    while not watched.is_over:
        with _noted(line):
            for message in messages_of(_http(line, owner), watched):
                line.records.answer(line.who, 200)
                watched.hear(message)
                if watched.is_over:
                    return
        if time.monotonic() > deadline:
            line.records.broken.append(f"{line.who}: {upload_id} was watched, and its end was not told")
            return
        time.sleep(_RECONNECT_SECONDS)


def notifications(line: Line) -> None:
    """Listens from the beginning to the end of the run; where it is cut off it comes back with the last id."""
    last: list[Header] = []
    seen = set[str]()
    while not line.records.closing.is_set() or line.records.unnotified(line.owner):
        with _noted(line):
            stream = Stream(_http(line, line.owner), "", *last)
            try:
                while not line.records.closing.is_set() or line.records.unnotified(line.owner):
                    fields = stream.fields(_PATIENCE_SECONDS)
                    if "data" not in fields:
                        continue
                    stream.last = id_ = fields["id"]
                    data = json.loads(fields["data"])
                    if id_ in seen:
                        line.records.broken.append(f"{line.who}: {id_} was told twice: {data}")
                    seen.add(id_)
                    line.records.answer(line.who, 200)
                    if "instruction_detail_id" in data and data["status"] in ("DONE", "FAILED"):
                        line.records.notified[line.owner, data["instruction_detail_id"]] += 1
            finally:
                last = [("Last-Event-ID", stream.last)]
                stream.close()
        time.sleep(_RECONNECT_SECONDS)


def download(line: Line) -> None:
    line.pause(1.0, 3.0)
    files = line.records.picked()
    if files:
        file = line.draw.choice(files)
        answer = line.ask("GET", file.path, headers={"X-User-Id": file.owner}, sampled="download")
        if hashlib.sha256(answer.body).hexdigest() != file.sha256:
            line.records.broken.append(f"{line.who}: {file.path} came back different")


@contextmanager
def _noted(line: Line) -> Iterator[None]:
    """What ends a stream or keeps it from beginning is written down."""
    try:
        yield
    except TimeoutError:
        pass  # nothing was told for so long
    except OSError as error:
        line.troubled(0, type(error).__name__)
    except AssertionError as error:
        status = _STATUS.search(str(error))
        line.troubled(int(status[1]) if status else 400, str(error)[:160])


def _http(line: Line, owner: str) -> Http:
    return Http(urlsplit(line.url).port or 80, (("X-User-Id", owner),))
