"""Whose pages may call, how often anybody may, and our own page."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated
from urllib.parse import urlsplit

from dependency_injector import providers
from pydantic import AfterValidator, BeforeValidator

from adapters.inbound.common.admission import Drain
from adapters.inbound.common.rate_limit import RateLimiter, parse_rates
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.engine.running import Services
from adapters.inbound.http.page.pages import STATIC_FOLDER, Page, StaticFiles
from infrastructure import version
from infrastructure.capabilities.identity import IdentityParts
from infrastructure.capability import Capability, Handler, Parts, Variables, of
from infrastructure.setting_values import Listed, OrNone, is_web_address, words

_BODY_THREADS = 4


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        # "null" is what sandboxed frames and local files send: naming it would open the door to any page.
        if origin != "*" and (not is_web_address(origin) or urlsplit(origin).path not in ("", "/")):
            raise ValueError("allowed: origins such as https://example.org, separated by commas, or *")
    return tuple(origin.rstrip("/").lower() for origin in origins)


def _rate_limit(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        rates = parse_rates(text)
    except ValueError:
        rates = []
    if not rates or any(amount < 1 or seconds < 1 for amount, seconds in rates):
        raise ValueError("allowed: a rate such as 600/minute, several separated by semicolons, or none")
    return text


class WebVariables(Variables):
    cors_origins: Annotated[Listed[str], BeforeValidator(words), AfterValidator(_origins)] = ()
    rate_limit: Annotated[OrNone[str], AfterValidator(_rate_limit)] = "600/minute"


class WebParts(Parts):
    """What the dialects have in common."""

    body_threads = providers.Singleton(ThreadPoolExecutor, _BODY_THREADS, thread_name_prefix="body")
    rate_limiter = providers.Singleton(RateLimiter, of.rate_limit)
    cors = providers.Singleton(Cors, of.cors_origins)
    drain = providers.Singleton(Drain)
    services = providers.Singleton(
        Services,
        authenticator=IdentityParts.authenticator,
        rate_limiter=rate_limiter,
        cors=cors,
        executor=body_threads,
        drain=drain,
    )


def _handlers(_: WebParts) -> Iterable[Handler]:
    yield r"/", Page, {"version": version()}
    yield r"/static/(.+)", StaticFiles, {"path": str(STATIC_FOLDER)}


WEB = Capability(variables=WebVariables, parts=[WebParts], handlers=_handlers)
