"""/uploads speaks two dialects, told apart by their headers: ``tus.py`` and ``resumable.py``."""

import re
from collections.abc import Awaitable, Mapping, Sequence

from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.library import Library
from adapters.inbound.http.uploads.interop import PARTIAL_UPLOAD, VERSION_FIELD
from adapters.inbound.http.uploads.resumable import Resumable
from adapters.inbound.http.uploads.tus import VERSION, Tus

NOWHERE = Resource(
    re.compile(""), {}, constant_headers=lambda _: {"Tus-Resumable": VERSION}, exposes=("Tus-Resumable",)
)
"""What replies look like to requests that are nobody's, or can't be read: a tus client may have sent them."""


class Uploads:
    """One method a verb; ``(exchange[, id]) -> Reply``. ``Tus`` and ``Resumable`` say what they answer and refuse.

    OPTIONS is 204 with the fields of either. tus names itself in each of its requests; the IETF's HEAD, GET and DELETE
    need no field that tells, so those are its own wherever tus is not named.
    """

    def __init__(self, *, tus: Tus, resumable: Resumable, library: Library) -> None:
        self._tus = tus
        self._resumable = resumable
        self._library = library

    def resources(self) -> Sequence[Resource]:
        exposes = (*self._tus.exposes, *self._resumable.exposes, *Files.exposes)
        return [
            Resource(
                re.compile(r"/uploads/(?P<id>[^/]+)/?"),
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
                resumes=True,
            ),
            Resource(
                re.compile(r"/uploads/?"),
                {
                    "POST": self.create,
                    "OPTIONS": self.options,
                    "GET": self._library.uploads,
                    "HEAD": self._library.uploads,
                },
                constant_headers=self.constant_headers,
                exposes=exposes,
                begins_uploads=True,
            ),
        ]

    async def options(self, exchange: Exchange) -> Reply:
        """Whoever asks does not know yet what is spoken here."""
        reply = await self._tus.options(exchange)
        reply.headers.update((await self._resumable.options(exchange)).headers)
        return reply

    def create(self, exchange: Exchange) -> Awaitable[Reply]:
        return self._sender(exchange).create(exchange)

    def patch(self, exchange: Exchange, text: str) -> Awaitable[Reply]:
        return self._sender(exchange).patch(exchange, text)

    def head(self, exchange: Exchange, text: str) -> Awaitable[Reply]:
        return self._asker(exchange).head(exchange, text)

    def get(self, exchange: Exchange, text: str) -> Awaitable[Reply]:
        return self._asker(exchange).get(exchange, text)

    def delete(self, exchange: Exchange, text: str) -> Awaitable[Reply]:
        return self._asker(exchange).delete(exchange, text)

    def constant_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """What goes with every reply, refusals too."""
        if is_resumable(headers):
            return self._resumable.constant_headers(headers)
        return {"Tus-Resumable": VERSION}  # tus 1.0 §Tus-Resumable: in every response

    def _sender(self, exchange: Exchange) -> Tus | Resumable:
        """Whose request this is that begins an upload or goes on with one; in neither dialect, tus refuses it."""
        return self._resumable if is_resumable(exchange.headers) else self._tus

    def _asker(self, exchange: Exchange) -> Tus | Resumable:
        return self._tus if "Tus-Resumable" in exchange.headers else self._resumable


def is_resumable(headers: Mapping[str, str]) -> bool:
    """Whether a request says itself that it is in the IETF's dialect."""
    if "Tus-Resumable" in headers:
        return False
    own = (VERSION_FIELD, "Upload-Complete", "Upload-Incomplete")
    media_type = headers.get("Content-Type", "").lower()
    return any(field in headers for field in own) or media_type.startswith(PARTIAL_UPLOAD)
