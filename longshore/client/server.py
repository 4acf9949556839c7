"""One server as a client sees it: where it is, who calls, what its refusals mean, and how long it is waited for."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

import httpx

from longshore.client.errors import ClientError, NotAllowed, NotFound, Refused, ServerAway

DEFAULT_URL = "http://127.0.0.1:8888"
PASSING = frozenset({408, 409, 423, 425, 429, 460, 500, 502, 503, 504})
"""Statuses that may go better next time."""
_SECONDS = re.compile(r"[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds. ``give_up``: how long nothing may go forward before it is given up."""

    first: float = 0.5
    most: float = 15.0
    give_up: float = 300.0
    connect: float = 10.0
    silence: float = 60.0

    def pause(self, tries: int) -> float:
        """Before the next try; no two clients come back at the same moment."""
        return min(self.most, self.first * 2.0 ** min(tries, 16)) * random.uniform(0.5, 1.0)  # noqa: S311


class Server:
    """``url`` may have a path, where a proxy puts us below one."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        if not re.match(r"https?://[^/]", self.url):
            raise ClientError(f"{url or 'an empty word'} is no address of a server: http:// or https:// and a name")
        self.patience = patience or Patience()
        self._token = token
        self._http = httpx.AsyncClient(
            headers={"User-Agent": "longshore"},
            timeout=httpx.Timeout(self.patience.silence, connect=self.patience.connect, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            transport=transport,
        )

    def at(self, path: str) -> str:
        return f"{self.url}{path}"

    def absolute(self, link: str) -> str:
        """A link that this server has told."""
        return urljoin(f"{self.url}/", link)

    async def send(self, method: str, url: str, *, follow: bool = False, **request: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's
        """One try.

        Raises:
            Refused: any answer but a success.
            ServerAway: none.
        """
        try:
            response = await self._http.request(method, url, follow_redirects=follow, **self._told(url, request))
        except httpx.TransportError as error:
            raise _away(error, url) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ServerAway(f"{url}: {error}") from error
        check(response)
        return response

    async def ask(self, method: str, url: str, **request: Any) -> httpx.Response:  # noqa: ANN401
        """What may be said twice: tried until it is answered for good; raises what ``send`` does."""
        waiting = Waiting(self.patience)
        while True:
            try:
                return await self.send(method, url, **request)
            except (ServerAway, Refused) as error:
                await waiting.after(error)

    async def json(self, method: str, url: str, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        response = await self.ask(method, url, **request)
        try:
            told = response.json()
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise Refused(response.status_code, f"{url} does not answer as Longshore does", code="not_longshore")
        return told

    @asynccontextmanager
    async def stream(self, method: str, url: str, **request: Any) -> AsyncIterator[httpx.Response]:  # noqa: ANN401
        """One try; the body is read by whoever asks. Raises what ``send`` does, also from within."""
        try:
            async with self._http.stream(method, url, follow_redirects=True, **self._told(url, request)) as response:
                if response.is_error:
                    await response.aread()
                check(response)
                yield response
        except httpx.TransportError as error:
            raise _away(error, url) from error

    def _told(self, url: str, request: dict[str, Any]) -> dict[str, Any]:
        """The request with what says who calls, which no other server is to hear."""
        ours, asked = httpx.URL(self.url), httpx.URL(url)
        if not self._token or (ours.scheme, ours.host, ours.port) != (asked.scheme, asked.host, asked.port):
            return request
        return {**request, "headers": {**request.get("headers", {}), "Authorization": f"Bearer {self._token}"}}

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Waiting:
    """Between tries of one thing; ``moved`` says that it went forward."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.moved()

    def moved(self) -> None:
        self._tries = 0
        self._since = asyncio.get_running_loop().time()

    async def after(self, error: ServerAway | Refused) -> None:
        """Wait until it may be tried again.

        Raises:
            ServerAway, Refused: ``error``, if there is no use in that, or none any more.
        """
        if isinstance(error, Refused) and error.status not in PASSING:
            raise error
        pause = max(self._patience.pause(self._tries), retry_after(error))
        self._tries += 1
        if asyncio.get_running_loop().time() + pause - self._since > self._patience.give_up:
            raise error
        await asyncio.sleep(pause)


def retry_after(error: Exception) -> float:
    """What the server asked for, at most a minute."""
    return min(60.0, float(getattr(error, "retry_after", 0.0)))


def check(response: httpx.Response) -> None:
    """Raises:
    Refused: it is no success.
    """
    if response.is_success or response.is_redirect or response.status_code == 304:
        return
    status = response.status_code
    told: Mapping[str, Any] = {}
    if "json" in response.headers.get("Content-Type", ""):
        try:
            parsed = response.json()
            told = parsed if isinstance(parsed, dict) else {}
        except ValueError:
            pass
    detail = str(told.get("detail") or told.get("message") or told.get("title") or response.reason_phrase or status)
    kind = NotAllowed if status in (401, 403) else NotFound if status in (404, 410) else Refused
    error = kind(status, detail, code=str(told.get("code") or ""), request_id=response.headers.get("X-Request-Id", ""))
    wanted = response.headers.get("Retry-After", "")
    error.retry_after = float(wanted) if _SECONDS.fullmatch(wanted) else 0.0
    error.scheme = response.headers.get("WWW-Authenticate", "").partition(" ")[0] if status == 401 else ""
    raise error


def _away(error: httpx.TransportError, url: str) -> ServerAway:
    host = httpx.URL(url).netloc.decode("ascii", "replace")
    return ServerAway(f"{host}: {str(error) or type(error).__name__}")
