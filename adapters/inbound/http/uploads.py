"""/uploads speaks two dialects, told apart by their headers: ``tus.py`` and ``resumable.py``."""

from collections.abc import Mapping

from adapters.inbound.http.exchange import Exchange, Reply
from adapters.inbound.http.files import Files
from adapters.inbound.http.interop import is_spoken
from adapters.inbound.http.resumable import Resumable
from adapters.inbound.http.tus import VERSION, Tus


class Uploads:
    """One method a verb; ``(exchange[, id]) -> Reply``."""

    def __init__(self, *, tus: Tus, resumable: Resumable, files: Files) -> None:
        self._tus = tus
        self._resumable = resumable
        self._files = files

    async def options(self, exchange: Exchange) -> Reply:
        """Whoever asks does not know yet what is spoken here."""
        reply = await self._tus.options(exchange)
        reply.headers.update((await self._resumable.options(exchange)).headers)
        return reply

    async def create(self, exchange: Exchange) -> Reply:
        return await self._dialect(exchange).create(exchange)

    async def head(self, exchange: Exchange, text: str) -> Reply:
        return await self._dialect(exchange).head(exchange, text)

    async def patch(self, exchange: Exchange, text: str) -> Reply:
        return await self._dialect(exchange).patch(exchange, text)

    async def delete(self, exchange: Exchange, text: str) -> Reply:
        return await self._dialect(exchange).delete(exchange, text)

    async def get(self, exchange: Exchange, text: str) -> Reply:
        if is_spoken(exchange.headers):
            return await self._resumable.get(exchange, text)
        return await self._files.upload(exchange, text)

    def standing_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """What goes with every reply, refusals too."""
        if is_spoken(headers):
            return self._resumable.standing_headers(headers)
        return {"Tus-Resumable": VERSION}  # tus 1.0 §Tus-Resumable: in every response

    def _dialect(self, exchange: Exchange) -> Tus | Resumable:
        return self._resumable if is_spoken(exchange.headers) else self._tus
