"""Longshore in a FastAPI program: a router."""

from collections.abc import Callable, Collection
from typing import Any

from fastapi import APIRouter

from adapters.inbound.frameworks import starlette
from domain.access import ANYBODY, STRANGER
from longshore.embed import Longshore
from longshore.mounting import dialects_of

__all__ = ["STRANGER", "router"]


def router(
    longshore: Longshore,
    *,
    principal: Callable[..., Any] = lambda: ANYBODY,
    prefix: str = "",
    origins: Collection[str] = (),
) -> APIRouter:
    """``/uploads`` (tus, resumable uploads), ``/upload`` (whole files) and ``/files``, for ``include_router``.

    ``principal`` is a dependency that returns who calls, or STRANGER. ``origins``: foreign pages that may upload.
    """
    return starlette.router(dialects_of(longshore, origins), principal=principal, prefix=prefix)
