"""What happens around a route: who calls, how often, what a refusal looks like.

How its bytes come and go is in ``connected.py``.
"""

import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import Enum, auto
from functools import lru_cache
from weakref import WeakSet

import structlog
from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError

from adapters.inbound.common.admission import Drain
from adapters.inbound.common.auth import Authenticator
from adapters.inbound.common.clients import Counter
from adapters.inbound.common.errors import Refusal, is_final
from adapters.inbound.common.rate_headers import rate_headers
from adapters.inbound.common.refusals import refuse
from adapters.inbound.common.request_id import bind_trace, request_id_of, trace_of
from adapters.inbound.common.visits import Observer, Visit, route_of
from adapters.inbound.http.engine.body import Body
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.engine.framing import CutShort, Unreadable, check_wishes, head_of, understands_interim
from adapters.inbound.http.engine.keep_alive import KeptConnections
from adapters.inbound.http.engine.refused import GoingDown, NoRoom, allowed, not_allowed
from adapters.inbound.http.engine.site import Site
from adapters.inbound.http.engine.watchdog import BodyWatchdog, ReplyWatchdog
from domain.access import STRANGER, Principal
from domain.errors import InvalidToken, LongshoreError, TooManyConnections, TooManyRequests, Unauthenticated
from domain.rate import Told
from domain.trace import Trace

log = structlog.get_logger(__name__)


class Counting(Enum):
    """When a request counts in the rate limit. What is bounded otherwise counts once it is refused: then it may be
    somebody who guesses."""

    AT_ONCE = auto()
    APART = auto()
    """It begins an upload: quotas say how many there may be."""
    IF_REFUSED = auto()
    """It goes on with an upload, or ends what was uploaded: no more can come of these than was begun."""
    UNLESS_CONTENT = auto()
    """It may be a download: many people share an address, and one page may show hundreds of pictures."""


@dataclass(frozen=True, slots=True)
class Services:
    """What every exchange needs."""

    authenticator: Authenticator
    counter: Counter
    cors: Cors
    executor: Executor
    """Whose threads write bodies and send files."""
    drain: Drain
    site: Site
    observers: Sequence[Observer] = ()
    """Who is told of every request at its end."""
    begun: Callable[[Trace | None], Trace | None] = lambda cause: cause
    """A tracer's."""


@dataclass(slots=True)
class Connections:
    """Of one server: its exchanges, and the connections that wait for one."""

    kept: KeptConnections
    watchdog: BodyWatchdog = field(default_factory=BodyWatchdog)
    readers: ReplyWatchdog = field(default_factory=ReplyWatchdog)
    late: "WeakSet[socket.socket]" = field(default_factory=WeakSet)
    """Of connections for which there is no room (``accepting.py``)."""
    running: "set[RunningExchange]" = field(default_factory=set)


class RunningExchange(ABC):
    """Runs the route of ``resource`` for one request; ``groups`` are those of its pattern. With a ``fault`` it only
    tells of that."""

    body: Body
    """Set before it runs."""

    def __init__(
        self,
        request: HTTPServerRequest,
        resource: Resource,
        groups: tuple[str, ...],
        services: Services,
        connections: Connections,
        *,
        fault: Exception | None = None,
    ) -> None:
        self.request = request
        self.services = services
        self.connections = connections
        self._resource = resource
        self._groups = groups
        self._fault = fault
        self._unknown: Unauthenticated | None = None
        """Of a stranger: why they are one."""
        self._caller = STRANGER
        self._told: Told | None = None
        self._is_counted = False
        """As a request."""
        self._request_id = request_id_of(request.headers)
        self._trace = services.begun(trace_of(request.headers))
        self._begun = time.perf_counter()
        self._is_left = False
        """By the client, before the end."""
        self.ended = 0.0
        """When the reply had been sent; 0 before that."""
        self.sent = 0
        """Bytes of its body that have been."""

    @abstractmethod
    async def send(self, reply: Reply) -> None:
        """Raises:
        StreamClosedError: the client is gone.
        """

    @abstractmethod
    def tell(self, data: bytes) -> None:
        """Send ``data`` ahead of the reply, all of it or none: nobody waits for a client that doesn't read."""

    @abstractmethod
    def abandon(self) -> None:
        """The reply can't be completed: only closing tells the client so."""

    def inform(self, status: int, headers: Mapping[str, str]) -> None:
        """Send an interim response (1xx), unless the client does not read what it was sent before."""
        if understands_interim(self.request.headers, self.request.version):
            self.tell(head_of(status, headers))

    def cut(self) -> None:
        """Take what has arrived of the body and no more."""
        self.body.stop()

    async def run(self) -> None:
        connections = self.connections
        connections.running.add(self)
        if self._trace is not None:
            bind_trace(self._trace, self._request_id)
        reply = None
        try:
            reply = await self._answer()
            await self.send(reply)
        except StreamClosedError:
            self._is_left = self._is_left or (reply is not None and reply.status < 500)
            self.abandon()
        except LongshoreError as error:  # storage went away in the middle of it
            log.warning("reply cut short", request_id=self._request_id, error=error.detail)
            self.abandon()
        except Exception:
            log.exception("reply failed", request_id=self._request_id)
            self.abandon()
        finally:
            connections.running.discard(self)
            connections.watchdog.forget(self.body)
            self._tell(reply)
            if reply and reply.closing:
                await reply.closing()

    def _tell(self, reply: Reply | None) -> None:
        services, request = self.services, self.request
        if not services.observers:
            return
        visit = Visit(
            request.method or "",
            request.path,
            route_of(self._resource.pattern.pattern),
            services.authenticator.client_ip(request),
            self._request_id,
            self._trace,
            self._caller.owner,
            reply.status if reply is not None else 500,
            self.body.received,
            self.sent,
            (self.ended or time.perf_counter()) - self._begun,
            is_cut=self._is_left or not self.ended,
            is_left=self._is_left,
        )
        for observer in services.observers:
            observer(visit)

    async def _answer(self) -> Reply:
        request, cors = self.request, self.services.cors
        try:
            is_plain = request.method != "OPTIONS"
            reply = self._preflight() or await (self._call_route() if is_plain else self._options())
        except Exception as error:  # noqa: BLE001 -- the edge: whatever it is, it is logged and answered
            reply = self._refuse(error)
            self._is_left = isinstance(error, CutShort)
            reply.ends_connection = isinstance(error, Unreadable | CutShort | NoRoom | TooManyConnections)
        headers = reply.headers = {**self._resource.constant_headers(request.headers), **reply.headers}
        if cors.origins:
            varies = headers.get("Vary")
            headers.update(cors.headers(request, self._resource.exposes))
            headers["Vary"] = f"{varies}, Origin" if varies else "Origin"
        if self._told is not None:
            headers.update(rate_headers(self._told))
        headers["X-Request-Id"] = self._request_id
        headers["Date"] = _date_of(int(time.time()))
        if reply.status not in (204, 304):
            headers["Content-Length"] = str(len(reply.body) if reply.size is None else reply.size)
        return reply

    def _preflight(self) -> Reply | None:
        """The answer to a page that asks what it may; whoever may not so much as ask is refused here."""
        if not isinstance(self._fault, Unreadable):
            if refusal := self.services.site.refusal(self.request):
                raise refusal
            if self.request.method == "OPTIONS" and (preflight := self.services.cors.preflight(self.request)):
                return Reply(204, preflight)
        if self._fault is not None:
            raise self._fault
        return None

    async def _options(self) -> Reply:
        reply = await self._call_route() if "OPTIONS" in self._resource.methods else Reply(204)  # load balancers ask so
        reply.headers["Allow"] = allowed(self._resource)
        return reply

    async def _call_route(self) -> Reply:
        request, resource, drain = self.request, self._resource, self.services.drain
        check_wishes(request.headers, request.version)
        method = request.headers.get("X-HTTP-Method-Override", "").strip().upper() or request.method or ""
        is_resuming = resource.resumes and method == "HEAD"
        if drain.has_begun and not resource.is_public and not is_resuming:
            raise GoingDown
        counting = self._counting(method)
        try:
            self._caller = self._principal(method)
            if counting is Counting.AT_ONCE:
                await self._count()
            exchange = Exchange(
                request=request,
                headers=request.headers,
                body=self.body,
                principal=self._caller,
                request_id=self._request_id,
                method=method,
                inform=self.inform,
                count_upload=self._count_upload,
            )
            if counting is Counting.APART:
                await self._count_upload()
            if self.body.length != 0:
                self.connections.watchdog.watch(self.body)
            if (route := resource.methods.get(method)) is None:
                raise not_allowed(resource)
            reply = await route(exchange, *self._groups)
        except (LongshoreError, Refusal) as error:
            raise await self._answerable(error) from None
        await self._count_late(counting, reply)
        if self.body.is_cut:
            raise self._cut_short()
        return reply

    async def _answerable(self, error: Exception) -> Exception:
        """What a route's refusal comes to."""
        if self.body.fault is not None:
            return self.body.fault
        if not isinstance(error, TooManyRequests):
            await self._count()
        if self.body.is_cut and (self.services.drain.has_begun or is_final(error)):
            return self._cut_short()
        if isinstance(error, Unauthenticated) and self._unknown is not None:
            if isinstance(self._unknown, InvalidToken):
                return self._unknown
            error.wants_token = self._unknown.wants_token
        return error

    def _cut_short(self) -> Exception:
        """What came of the body is kept; yet to one who can still hear it, this is no success. Nor is it the client's
        fault what a route made of half a body: a form without its fields, say."""
        if self.body.fault is not None:
            return self.body.fault
        return GoingDown() if self.services.drain.has_begun else CutShort()

    def _principal(self, method: str) -> Principal:
        # A preflight cannot say who asks, nor can a monitor; both learn nothing of anybody's.
        if self._resource.is_public or method == "OPTIONS":
            return STRANGER
        try:
            return self.services.authenticator.principal(self.request)
        except Unauthenticated as error:
            is_lie = isinstance(error, InvalidToken) and self._resource.minds_bad_tokens
            if self._resource.admits_strangers and not is_lie:
                self._unknown = error
                return STRANGER
            raise

    def _counting(self, method: str) -> "Counting":
        resource, has_body = self._resource, self.body.length != 0
        if resource.begins_uploads and method in ("POST", "PUT"):
            return Counting.APART
        if (resource.resumes and method == "HEAD") or resource.is_for_monitors:
            return Counting.IF_REFUSED
        if resource.sends_files and method in ("GET", "HEAD"):
            return Counting.UNLESS_CONTENT
        is_of_upload = has_body and (resource.is_of_upload or (resource.resumes and method == "PATCH"))
        return Counting.IF_REFUSED if is_of_upload or method == "DELETE" else Counting.AT_ONCE

    async def _count(self) -> None:
        """Once, however often it is asked for."""
        if not self._resource.is_public and not self._is_counted:
            self._is_counted = True
            self._told = await self.services.counter.count(self.request, self._caller)

    async def _count_upload(self) -> None:
        if told := await self.services.counter.count_upload(self.request, self._caller):
            self._is_counted, self._told = True, told

    async def _count_late(self, counting: "Counting", reply: Reply) -> None:
        """Count the request for which it took its reply to tell whether it counts."""
        if counting is Counting.UNLESS_CONTENT:
            counts = reply.content is None and reply.status not in (304, 307)
        else:
            counts = counting is not Counting.AT_ONCE and reply.status >= 400
        if counts:
            try:
                await self._count()
            except TooManyRequests:
                if reply.closing:
                    await reply.closing()
                raise

    def _refuse(self, error: Exception) -> Reply:
        refused = refuse(error, self.request, self._request_id)
        if self._resource.refusal is not None:
            return self._resource.refusal(error, self._request_id)
        return Reply(refused.status, refused.headers, refused.body)


@lru_cache(maxsize=1)
def _date_of(second: int) -> str:
    """RFC 9110 §6.6.1."""
    return formatdate(second, usegmt=True)
