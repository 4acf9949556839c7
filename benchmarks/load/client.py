"""One connection to a server: creates uploads, and sends bodies straight from a file (sendfile), timed."""

import http.client
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from benchmarks.figures import Failed

PATIENCE_SECONDS = 300.0
FILENAME_AND_TYPE = "filename Ym9keS5iaW4=,filetype YXBwbGljYXRpb24vb2N0ZXQtc3RyZWFt"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a body goes."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Connection:
    """A keep-alive connection; every answer but a success raises Failed."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self._http.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def create_upload(self, path: str, length: int) -> Target:
        """Create a tus upload; returns where its bytes go, at offset 0."""
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(length),
            "Upload-Metadata": FILENAME_AND_TYPE,
            "Content-Length": "0",
        }
        self._http.request("POST", path, headers=headers)
        location = urlsplit(self._success("POST").headers["Location"])
        return Target(
            "PATCH",
            location.path + (f"?{location.query}" if location.query else ""),
            {
                "Tus-Resumable": "1.0.0",
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": "0",
            },
        )

    def offset(self, path: str) -> int:
        """How far the upload at ``path`` is."""
        self._http.request("HEAD", path, headers={"Tus-Resumable": "1.0.0"})
        return int(self._success("HEAD").headers["Upload-Offset"])

    def send(self, target: Target, source: Path, *, length: int | None = None, offset: int = 0) -> float:
        """Send the first ``length`` bytes of ``source``; seconds from the first byte out to the answer.

        ``offset`` is where they go in the upload; all of ``source`` is sent by default.
        """
        count = source.stat().st_size if length is None else length
        headers = {**target.headers, "Content-Length": str(count)}
        if "Upload-Offset" in headers:
            headers["Upload-Offset"] = str(offset)
        with source.open("rb") as body:
            started = time.perf_counter()
            self._http.putrequest(target.method, target.path)
            for name, value in headers.items():
                self._http.putheader(name, value)
            self._http.endheaders()
            with suppress(ConnectionError):  # refused half-way: the answer tells why
                self._http.sock.sendfile(body, 0, count)
            self._success(target.method)
            return time.perf_counter() - started

    def _success(self, method: str) -> http.client.HTTPResponse:
        try:
            answer = self._http.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"{method} got no answer: {error!r}") from None
        if not http.HTTPStatus.OK <= answer.status < http.HTTPStatus.MULTIPLE_CHOICES:
            raise Failed(f"{method} was answered {answer.status}: {text[:200].decode(errors='replace')}")
        return answer
