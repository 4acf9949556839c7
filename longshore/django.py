"""Longshore in a Django program: URL patterns of async views, and what may go before Django (docs/embedding.md)."""

from collections.abc import Awaitable, Callable, Collection, Sequence

from django.http import HttpRequest
from django.urls import URLPattern

from adapters.inbound.frameworks import django
from domain.access import ANYBODY, STRANGER, Principal
from longshore.asgi import application
from longshore.embed import Longshore
from longshore.mounting import dialects_of

__all__ = ["STRANGER", "application", "urls"]


def urls(
    longshore: Longshore,
    *,
    principal: Callable[[HttpRequest], Principal | Awaitable[Principal]] = lambda _: ANYBODY,
    origins: Collection[str] = (),
) -> Sequence[URLPattern]:
    """For ``urlpatterns``, or ``include`` below a path. Django reads bodies to their end before it calls a view: put
    ``application(longshore, otherwise=get_asgi_application())`` before it where a cut should cost nothing."""
    return django.urls(dialects_of(longshore, origins), principal=principal)
