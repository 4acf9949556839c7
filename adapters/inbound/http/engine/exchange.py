"""What a route sees of its request, and what it answers with.

Tornado's RequestHandler wants the whole body first, or hands it over in callbacks; here a route is
``async (exchange) -> Reply``, and the body is a byte source that it may pass on to a use case. Nothing is read
(and no ``100 Continue`` sent) before the route asks for a byte, so a refusal comes before the body does.

What is around a route is in ``running.py``; which path is whose, in ``router.py``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from adapters.inbound.http.engine.body import Body
from adapters.inbound.http.engine.sending import FileSlice
from domain.access import Principal


@dataclass(slots=True)
class Reply:
    """What goes back: ``body``, or ``size`` bytes that ``content`` yields (None: the headers alone).

    ``closing`` is awaited when the reply is over, sent or not.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    size: int | None = None
    content: AsyncIterator[bytes] | None = None
    slice: FileSlice | None = None
    """The same bytes as ``content``, where they can be sent from a file."""
    closing: Callable[[], Awaitable[None]] | None = None
    ends_connection: bool = False
    """Nothing more is read: where the next request would begin is not sure."""

    def complete_headers(self) -> dict[str, str]:
        """With the Content-Length that goes with them."""
        if self.status not in (204, 304):
            self.headers["Content-Length"] = str(len(self.body) if self.size is None else self.size)
        return self.headers


@dataclass(slots=True)
class Exchange:
    """What a route sees of its request."""

    request: HTTPServerRequest
    body: Body
    principal: Principal
    request_id: str
    method: str
    """The effective method: X-HTTP-Method-Override is applied (tus 1.0)."""
    inform: Callable[[int, Mapping[str, str]], None]
    """Send an interim response, before the reply: ``RunningExchange.inform``."""
    headers: HTTPHeaders = field(init=False)

    def __post_init__(self) -> None:
        self.headers = self.request.headers


Route = Callable[[Exchange], Awaitable[Reply]]
