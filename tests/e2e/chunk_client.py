"""A client of the chunk API as its users write them: forms in, envelopes out, one connection kept alive."""

import http.client
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

BASE = "/api/v1/file"
BOUNDARY = "----chunks-of-a-test"


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def data(self) -> dict[str, Any]:
        """Of a success, checked to be one to the letter."""
        assert self.status == 200, self
        assert self.body.keys() == {"data", "message", "success"} and self.body["success"] is True, self
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def errors(self) -> list[str]:
        """Of a refusal, checked to be one to the letter."""
        assert self.status >= 400, self
        assert self.body.keys() == {"errors", "message", "success"} and self.body["success"] is False, self
        assert isinstance(self.body["message"], str) and all(isinstance(line, str) for line in self.body["errors"])
        assert "Traceback" not in json.dumps(self.body)
        errors: list[str] = self.body["errors"]
        return errors


def multipart(fields: Mapping[str, object], file: bytes | None = None, *, file_first: bool = False) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if file is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="blob"\r\n'
        part = head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + file + b"\r\n"
        parts.insert(0 if file_first else len(parts), part)
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


class ChunkClient:
    def __init__(self, port: int, headers: Mapping[str, str] | None = None, *, timeout: float = 60) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self._headers = dict(headers or {})

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        self._http.request(method, path, body, {**self._headers, **headers})
        response = self._http.getresponse()
        return Answer(response.status, json.loads(response.read()), {k.lower(): v for k, v in response.getheaders()})

    def post(self, path: str, fields: Mapping[str, object], file: bytes | None = None, **options: bool) -> Answer:
        form = multipart(fields, file, **options)
        return self.request("POST", BASE + path, form, **{"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})

    def init(self, **fields: object) -> str:
        data = self.post("/upload/init/", fields).data
        return str(data["upload_id"])

    def chunk(
        self, upload_id: str, index: object, data: bytes | None, size: object, *, file_first: bool = False
    ) -> Answer:
        fields = {"chunk_size": size, "upload_id": upload_id, "chunk_index": index}
        return self.post("/upload/chunk/", fields, data, file_first=file_first)

    def complete(self, upload_id: str, **fields: object) -> Answer:
        given = {"upload_id": upload_id, "file_extension": "png", "content_type": "image/png", **fields}
        return self.post("/upload/complete/", {name: value for name, value in given.items() if value is not None})

    def get(self, file_id: str, **shown: str) -> Answer:
        return self.request("GET", f"{BASE}/get/{file_id}?{urlencode(shown)}")

    def status(self, file_id: str, **shown: str) -> Answer:
        return self.request("GET", f"{BASE}/status/{file_id}?{urlencode(shown)}")

    def retry(self, file_id: object, **fields: object) -> Answer:
        return self.post("/upload/retry", {"file_id": file_id, **fields})

    def content(self, url: str) -> bytes:
        self._http.request("GET", url, headers=self._headers)
        response = self._http.getresponse()
        body = response.read()
        assert response.status == 200, (url, response.status, body[:200])
        return body

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
