"""/uploads speaks two dialects, told apart by their headers: ``tus.py`` and ``resumable.py``."""

import re
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress

from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.uploads.interop import PARTIAL_UPLOAD, VERSION_FIELD
from adapters.inbound.http.uploads.resumable import Resumable
from adapters.inbound.http.uploads.tus import VERSION, Tus
from application.upload import UploadUseCase
from domain.errors import LongshoreError
from domain.ids import parse_upload_id


class Uploads:
    """One method a verb; ``(exchange[, id]) -> Reply``. ``Tus`` and ``Resumable`` say what they answer and refuse.

    What names no dialect is for both: OPTIONS is 204 with the fields of either, GET is answered by ``Files``.
    """

    def __init__(self, *, tus: Tus, resumable: Resumable, files: Files, uploads: UploadUseCase) -> None:
        self._tus = tus
        self._resumable = resumable
        self._files = files
        self._uploads = uploads

    def resources(self) -> Sequence[Resource]:
        exposes = (*self._tus.exposes, *self._resumable.exposes, *self._files.exposes)
        return [
            Resource(
                re.compile(r"/uploads/([^/]+)/?"),
                {
                    "PATCH": self.patch,
                    "HEAD": self.head,
                    "DELETE": self.delete,
                    "GET": self.get,
                    "OPTIONS": lambda exchange, _: self.options(exchange),
                },
                constant_headers=self.constant_headers,
                exposes=exposes,
                sends_files=True,
            ),
            Resource(
                re.compile(r"/uploads/?"),
                {"POST": self.create, "OPTIONS": self.options, "GET": self._files.uploads},
                constant_headers=self.constant_headers,
                exposes=exposes,
                posts_files=True,
            ),
        ]

    async def options(self, exchange: Exchange) -> Reply:
        """Whoever asks does not know yet what is spoken here."""
        reply = await self._tus.options(exchange)
        reply.headers.update((await self._resumable.options(exchange)).headers)
        return reply

    async def create(self, exchange: Exchange) -> Reply:
        return await self._dialect(exchange).create(exchange)

    async def head(self, exchange: Exchange, text: str) -> Reply:
        return await (await self._dialect_for(exchange, text)).head(exchange, text)

    def patch(self, exchange: Exchange, text: str) -> Awaitable[Reply]:
        return self._dialect(exchange).patch(exchange, text)

    async def delete(self, exchange: Exchange, text: str) -> Reply:
        return await (await self._dialect_for(exchange, text)).delete(exchange, text)

    async def get(self, exchange: Exchange, text: str) -> Reply:
        if _is_resumable(exchange.headers):
            return await self._resumable.get(exchange, text)
        return await self._files.upload(exchange, text)

    def constant_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """What goes with every reply, refusals too."""
        if _is_resumable(headers):
            return self._resumable.constant_headers(headers)
        return {"Tus-Resumable": VERSION}  # tus 1.0 §Tus-Resumable: in every response

    def _dialect(self, exchange: Exchange) -> Tus | Resumable:
        return self._resumable if _is_resumable(exchange.headers) else self._tus

    async def _dialect_for(self, exchange: Exchange, text: str) -> Tus | Resumable:
        """Once it is no draft any more, the IETF's HEAD and DELETE carry no field that tells: then it is the upload
        that does, by being one that its client completes."""
        if "Tus-Resumable" not in exchange.headers and not _is_resumable(exchange.headers):
            with suppress(LongshoreError):  # tus is the one to refuse it
                view = await self._uploads.look_at(exchange.principal, parse_upload_id(text))
                return self._resumable if view.completes_on_request else self._tus
        return self._dialect(exchange)


def _is_resumable(headers: Mapping[str, str]) -> bool:
    """Whether a request is in the IETF's dialect; tus names itself in each of its requests."""
    if "Tus-Resumable" in headers:
        return False
    own = (VERSION_FIELD, "Upload-Complete", "Upload-Incomplete")
    return any(field in headers for field in own) or headers.get("Content-Type", "").startswith(PARTIAL_UPLOAD)
