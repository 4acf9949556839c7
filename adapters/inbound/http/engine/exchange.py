"""What a dialect needs to serve routes: what it sees of a request, what it answers with, and how it names its paths.

A route is ``async (exchange) -> Reply``, and the body is a byte source that it may pass on to a use case. Nothing is
read (and no ``100 Continue`` sent) before the route asks for a byte, so a refusal comes before the body does.

What is around a route is in ``running.py``; which path is whose, in ``router.py``.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.inbound.common.heads import Head
from domain.access import Principal
from ports.byte_source import ByteSource

if TYPE_CHECKING:
    from adapters.inbound.common.heads import Headers


@dataclass(frozen=True, slots=True)
class FileSlice:
    """``size`` bytes of an open file from byte ``start`` on."""

    fd: int
    start: int
    size: int


@dataclass(slots=True)
class Reply:
    """What goes back: ``body``, or ``size`` bytes that ``content`` yields (None: the headers alone).

    ``closing`` is awaited when the reply is over, sent or not.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    """Without the Content-Length, which goes with the rest."""
    body: bytes = b""
    size: int | None = None
    content: AsyncIterator[bytes] | None = None
    slice: FileSlice | None = None
    """The same bytes as ``content``, where they can be sent from a file."""
    closing: Callable[[], Awaitable[None]] | None = None
    ends_connection: bool = False
    """Nothing behind its request is read as one: where the next would begin is not sure."""


def json_reply(content: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(
        status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, json.dumps(content).encode()
    )


@dataclass(slots=True)
class Exchange:
    """What a route sees of its request."""

    request: Head
    headers: "Headers"
    body: ByteSource
    principal: Principal
    request_id: str
    method: str
    """The effective method: X-HTTP-Method-Override is applied (tus 1.0)."""
    inform: Callable[[int, Mapping[str, str]], None]
    """Send an interim response, before the reply: ``RunningExchange.inform``."""
    count_upload: Callable[[], Awaitable[None]]
    """For a request that begins more than one upload: count one more, or raise TooManyRequests."""


Route = Callable[..., Awaitable[Reply]]
"""Takes the exchange, and the groups of its resource's pattern."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A path, its groups handed to the route of the method that came."""

    pattern: re.Pattern[str]
    methods: Mapping[str, Route]
    is_public: bool = False
    """For anyone, at any time, as often as they like."""
    admits_strangers: bool = False
    """Whether the route itself judges those of whom nothing is known."""
    minds_bad_tokens: bool = False
    """Whether one whose token is not good is refused also where strangers are let in."""
    is_for_monitors: bool = False
    """Whether its rate limit counts those alone who are refused: what watches a server is never told to come later."""
    constant_headers: Callable[["Headers"], Mapping[str, str]] = lambda _: {}
    """What goes with every reply to a request with these headers, refusals too."""
    resumes: bool = False
    """Whether its HEAD tells where to go on. One that is refused, be it for a moment, means to tus-js-client that the
    upload is lost: it begins anew."""
    begins_uploads: bool = False
    """Whether a POST or a PUT begins an upload, which is counted apart."""
    is_of_upload: bool = False
    """Whether what is posted belongs to an accepted upload, its bytes or its end: the rate limit does not count it."""
    refusal: Callable[[Exception, str], Reply] | None = None
    """How errors are worded, given the request's id; None: as problem details."""
    exposes: tuple[str, ...] = ()
    """Headers of its replies that pages of other origins may read, beside what they may read of every reply."""
    sends_files: bool = False
    """Whether a GET is answered with a file."""
