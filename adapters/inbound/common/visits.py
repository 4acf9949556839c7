"""What there is to tell of a request once it is over: to the access log, and to who counts."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol, cast, runtime_checkable

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest

from domain.access import Principal
from domain.ids import OwnerId
from domain.trace import Trace

_NAMED = re.compile(r"\(\?P<(\w+)>[^()]*\)")
_UNNAMED = re.compile(r"\([^()]*\)")


@dataclass(slots=True)
class Visit:
    """One request, from its head to the last byte of its reply; of a WebSocket or an event stream to its end."""

    method: str
    path: str
    """Without a query."""
    route: str
    """Of many paths the one name, such as ``/uploads/{id}``; empty: it is nobody's."""
    client: str
    request_id: str
    trace: Trace | None = None
    """That it belongs to."""
    caller: OwnerId | None = None
    """None: nobody got to know."""
    status: int = 0
    bytes_in: int = 0
    """Of the body, without the head; as ``bytes_out``."""
    bytes_out: int = 0
    seconds: float = 0.0
    is_cut: bool = False
    """Its body broke off or stalled, or the client did not get its reply to the end."""
    is_left: bool = False
    """So it was cut by the client or its line: whatever its status says, that is no trouble of ours."""
    is_endless: bool = False
    """It lasts as long as somebody watches."""


Observer = Callable[[Visit], None]
"""Called in the event loop, once for every request: it is to be quick, and raises nothing."""


@runtime_checkable
class Visited(Protocol):
    """A stream that tells of its request at its end."""

    visit: Visit | None


def note_caller(request: HTTPServerRequest, principal: Principal) -> None:
    """Of a request that a handler of Tornado's has: who calls."""
    stream = cast(HTTP1Connection, request.connection).stream
    if isinstance(stream, Visited) and stream.visit is not None:
        stream.visit.caller = principal.owner


@cache  # there are as many as there are resources
def route_of(pattern: str) -> str:
    """``/files/(?P<id>[^/]+)/?`` as ``/files/{id}``."""
    named = _NAMED.sub(r"{\1}", pattern.removesuffix("/?"))
    return _UNNAMED.sub("{id}", named).replace("\\", "")
