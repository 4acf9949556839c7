"""For Starlette: routes; and for FastAPI, which is made of it, a router."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.inbound.frameworks.asgi import Receive, Scope, Send, answer, send_reply
from adapters.inbound.frameworks.dialects import BEGINNINGS, WHOLE, Dialects
from adapters.inbound.http.engine.exchange import Reply
from domain.access import ANYBODY, Principal

if TYPE_CHECKING:
    from fastapi import APIRouter

_PATHS = (*(f"/{path}" for path in WHOLE), *(f"/{path}/{{rest:path}}" for path in BEGINNINGS))
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def routes(
    dialects: Dialects, *, principal: Callable[[Request], Principal | Awaitable[Principal]] = lambda _: ANYBODY
) -> Sequence[Route]:
    """``principal`` says by a request who calls."""

    async def endpoint(request: Request) -> Response:
        return await _answered(dialects, request, lambda: principal(request))

    return [Route(path, endpoint, methods=_METHODS) for path in _PATHS]


def router(dialects: Dialects, *, principal: Callable[..., Any] = lambda: ANYBODY, prefix: str = "") -> "APIRouter":
    """``principal`` is a dependency, as FastAPI has them, which says who calls."""
    from fastapi import APIRouter, Depends  # noqa: PLC0415 -- Starlette's programs do without

    who_calls = Depends(principal)

    async def endpoint(request: Request, who: Any = who_calls) -> Response:  # noqa: ANN401 -- FastAPI looks into it
        return await _answered(dialects, request, lambda: who)

    ours = APIRouter(prefix=prefix)
    for path in _PATHS:
        ours.add_api_route(path, endpoint, methods=_METHODS, include_in_schema=False, response_model=None)
    return ours


async def _answered(
    dialects: Dialects, request: Request, who: Callable[[], Principal | Awaitable[Principal]]
) -> Response:
    path, template = request.scope["path"], request.scope["route"].path
    own = next(known for known in sorted(_PATHS, key=len, reverse=True) if template.endswith(known))
    tail = own.replace("{rest:path}", request.path_params.get("rest", ""))
    base = quote(path.removesuffix(tail))
    return _Sent(await answer(dialects, who, base, scope=request.scope, receive=request.receive))


class _Sent(Response):
    """A reply of ours as Starlette sends its own."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(status_code=reply.status)
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(self._reply, send, has_content=scope["method"] != "HEAD")
