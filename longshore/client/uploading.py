"""Brings one file to a server by tus 1.0: begun or gone on with, tried again, and compared in the end.

Bodies are as long as takes about two seconds: so it is seen how far the server has come, and little is sent twice.
"""

import asyncio
import binascii
import mimetypes
import os
import re
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import httpx

from longshore.client.endpoint import VERSION, Endpoint
from longshore.client.errors import ClientError, Different, FileChanged, NotFound, Refused, ServerAway
from longshore.client.local_file import LocalFile
from longshore.client.notes import Note
from longshore.client.records import Progress, Stored
from longshore.client.server import Server, Waiting

_BLOCK_BYTES = 256 * 1024
_BODY_SECONDS = 2.0
_FIRST_BODY_BYTES = 1024 * 1024
_LEAST_BODY_BYTES = 64 * 1024
_MOST_BODY_BYTES = 128 * 1024 * 1024
_TYPE = "application/offset+octet-stream"
_REPR_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")
_OURS = re.compile(r".*/uploads/([0-9a-f]{32})/?")
_ANEW_AT_MOST = 3
_DIGEST_SECONDS = 10.0
_DIGEST_BYTES_A_SECOND = 10_000_000  # a server reads it beside its other work
_MISMATCH = 460


class Uploading:
    """One file. ``run`` it once."""

    def __init__(
        self,
        server: Server,
        endpoint: Endpoint,
        file: LocalFile,
        note: Note,
        *,
        name: str,
        relative_path: str | None = None,
        checksum: str = "auto",
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """``relative_path``: within the folder that it comes in."""
        self._server = server
        self._endpoint = endpoint
        self._file = file
        self._note = note
        self._name = name
        self._metadata = {"filename": name, "filetype": mimetypes.guess_type(name)[0] or "application/octet-stream"}
        if relative_path is not None:
            self._metadata["relativePath"] = relative_path
        self._algorithm = endpoint.algorithm(checksum)
        self._is_checked = self._algorithm is not None
        self._on_progress = on_progress
        self._body_bytes = _FIRST_BODY_BYTES
        self._body_limit = _MOST_BODY_BYTES
        self._stored = 0
        self._told_digest: bytes | None = None
        self._given_up = threading.Event()
        self._url: str | None = None

    async def run(self) -> Stored:
        """Raises:
        Refused, ServerAway: what was stored of it stays, and is gone on with by the next who sends it.
        FileChanged, Different: nothing of it stays.
        OSError: it can't be read any more.
        """
        size, limit = self._file.size, self._endpoint.max_size
        if limit is not None and size > limit:
            raise Refused(413, f"the server takes files of at most {limit} bytes", code="upload_too_large")
        digesting = asyncio.create_task(asyncio.to_thread(self._file.sha256, self._given_up))
        try:
            url = await self._bring()
            return await self._settled(url, await digesting)
        except (FileChanged, Different):
            await self._drop()
            raise
        finally:
            self._given_up.set()
            digesting.cancel()
            with suppress(BaseException):
                await digesting

    async def _bring(self) -> str:
        """The URL of the upload, which is complete."""
        if self._note.stale_url:
            self._url = self._note.stale_url
            await self._drop()
        if self._note.url is None and self._endpoint.takes_first_bytes and self._file.size <= _FIRST_BODY_BYTES:
            try:
                return await self._send_whole()
            except Refused as error:
                if not self._is_proxys_limit(error):
                    raise
        anew = 0
        waiting = Waiting(self._server.patience)
        while True:
            try:
                url, offset = await self._begin()
                await self._send_from(url, offset, waiting)
            except NotFound:  # it is over there: aborted, expired or forgotten
                self._note.forget()
                anew += 1
                if anew > _ANEW_AT_MOST:
                    raise
            else:
                return url

    # --- beginning

    async def _begin(self) -> tuple[str, int]:
        """The upload, and how far it is."""
        if self._note.url is not None:
            self._url = self._note.url
            offset = await self._offset(self._url)
            self._is_checked = self._is_checked and not offset  # how the beginning was sent, nobody knows
            return self._url, offset
        headers = {**VERSION, **self._described(), "Upload-Length": str(self._file.size)}
        response = await self._server.ask("POST", self._endpoint.url, headers=headers)
        self._url = url = _location(response)
        if self._file.size:
            self._note.write(url)
        return url, int(response.headers.get("Upload-Offset", "0"))

    def _described(self) -> dict[str, str]:
        pairs = (f"{key} {b64encode(_bytes(value)).decode()}" for key, value in self._metadata.items())
        return {"Upload-Metadata": ",".join(pairs)}

    async def _offset(self, url: str) -> int:
        response = await self._server.ask("HEAD", url, headers=VERSION)
        length = response.headers.get("Upload-Length")
        if length is not None and int(length) != self._file.size:
            raise NotFound(410, "the upload is of another file")
        return int(response.headers["Upload-Offset"])

    # --- sending

    async def _send_whole(self) -> str:
        """A small file, by one request. What checks the body checks the file; else its digest is asked for."""
        size = self._file.size
        content = await asyncio.to_thread(self._file.read, 0, size)
        headers = {**VERSION, **self._described(), "Upload-Length": str(size)}
        if size:
            headers["Content-Type"] = _TYPE
        if size and self._algorithm:
            headers["Upload-Checksum"] = await asyncio.to_thread(self._file.checksum, self._algorithm, 0, size)
        else:
            headers["Want-Repr-Digest"] = "sha-256=1"
        waiting = Waiting(self._server.patience)
        while True:
            self._tell(sent=size)
            try:
                response = await self._server.send("POST", self._endpoint.url, headers=headers, content=content)
            except (ServerAway, Refused) as error:
                self._tell(sent=0)
                await self._wait(waiting, error)
                continue
            self._url = url = _location(response)
            if size and (offset := int(response.headers.get("Upload-Offset", "0"))) < size:
                await self._send_from(url, offset, waiting)
            self._hear(response)
            self._tell(sent=size, stored=size)
            return url

    async def _send_from(self, url: str, offset: int, waiting: Waiting) -> None:
        self._tell(sent=offset, stored=offset)
        while offset < self._file.size:
            before = offset
            try:
                offset = await self._send_body(url, offset)
                if offset <= before:
                    await waiting.after(ServerAway("the server takes no bytes"))
            except NotFound:
                raise
            except (ServerAway, Refused) as error:
                if isinstance(error, ServerAway):
                    self._body_bytes = _LEAST_BODY_BYTES  # of a long body a refusal may have gone unheard
                if not self._is_proxys_limit(error):
                    await self._wait(waiting, error)
                offset = await self._offset(url)
            if offset > self._stored:
                waiting.moved()
            self._tell(sent=offset, stored=offset)

    async def _send_body(self, url: str, offset: int) -> int:
        """How far it is then."""
        end = min(self._file.size, offset + min(self._body_bytes, self._body_limit))
        headers = {**VERSION, "Upload-Offset": str(offset), "Content-Type": _TYPE, "Content-Length": str(end - offset)}
        if self._algorithm:
            headers["Upload-Checksum"] = await asyncio.to_thread(self._file.checksum, self._algorithm, offset, end)
        if end == self._file.size:
            headers["Want-Repr-Digest"] = "sha-256=1"
        began = time.monotonic()
        response = await self._server.send("PATCH", url, headers=headers, content=self._blocks(offset, end))
        seconds = max(time.monotonic() - began, 1e-3)
        await asyncio.to_thread(self._file.check)
        fitting = int((end - offset) * _BODY_SECONDS / seconds)
        self._body_bytes = max(_LEAST_BODY_BYTES, min(fitting, 4 * self._body_bytes, _MOST_BODY_BYTES))
        self._hear(response)
        return int(response.headers["Upload-Offset"])

    async def _blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        while start < end:
            block = await asyncio.to_thread(self._file.read, start, min(_BLOCK_BYTES, end - start))
            yield block
            start += len(block)
            self._tell(sent=start)

    def _is_proxys_limit(self, error: Exception) -> bool:
        """Whether a proxy in front takes only shorter bodies: then they become so, without a word to anybody."""
        if not isinstance(error, Refused) or error.status != 413 or not error.code.startswith("status_"):
            return False
        self._body_limit = min(self._body_bytes, self._body_limit) // 4
        return self._body_limit >= _LEAST_BODY_BYTES

    async def _wait(self, waiting: Waiting, error: ServerAway | Refused) -> None:
        if isinstance(error, Refused) and error.status == _MISMATCH:
            await asyncio.to_thread(self._file.check)
        if error.code == "sha256_mismatch":
            raise Different(f"what arrived of {self._file.path} is not what was sent") from error
        await waiting.after(error)

    # --- ending

    def _hear(self, response: httpx.Response) -> None:
        if found := _REPR_SHA256.search(response.headers.get("Repr-Digest", "")):
            self._told_digest = _decoded(found[1])

    async def _settled(self, url: str, sha256: bytes) -> Stored:
        await asyncio.to_thread(self._file.check)
        own = _OURS.fullmatch(url) if self._endpoint.is_ours else None
        told = self._told_digest
        if told is None and own and not self._is_checked:
            told = await self._digest_of(own[1])
        if told is not None and told != sha256:
            raise Different(f"what arrived of {self._file.path} is not what was sent")
        self._note.forget()
        id_ = own[1] if own else url.rstrip("/").rpartition("/")[2]
        content = self._server.at(f"/files/{id_}/content") if own else url
        is_verified = told is not None or self._is_checked or not self._file.size
        return Stored(id_, self._name, self._file.size, content, sha256.hex(), is_verified=is_verified)

    async def _digest_of(self, file_id: str) -> bytes | None:
        """Of the whole, where nothing else has been compared: of a large file it is read a while after."""
        deadline = time.monotonic() + _DIGEST_SECONDS + self._file.size / _DIGEST_BYTES_A_SECOND
        while time.monotonic() < deadline:
            told = await self._server.json("GET", self._server.at(f"/files/{file_id}"))
            if told.get("sha256"):
                return bytes.fromhex(str(told["sha256"]))
            await asyncio.sleep(0.5)
        return None

    async def _drop(self) -> None:
        """Leave nothing of it there, nor here."""
        self._note.forget()
        if self._url is not None:
            with suppress(ClientError):
                await self._server.send("DELETE", self._url, headers=VERSION)

    def _tell(self, *, sent: int, stored: int | None = None) -> None:
        self._stored = self._stored if stored is None else stored
        self._on_progress(Progress(sent=sent, stored=self._stored, size=self._file.size))


def _location(response: httpx.Response) -> str:
    location = response.headers.get("Location")
    if not location:
        raise Refused(response.status_code, "the server did not say where the upload is", code="no_location")
    return str(response.url.join(location))


def _bytes(text: str) -> bytes:
    return os.fsencode(text) if any("\udc80" <= letter <= "\udcff" for letter in text) else text.encode()


def _decoded(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        return None
