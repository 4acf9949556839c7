"""Which names we answer to, whose pages may call, how often anybody may, and our own page."""

from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from dependency_injector import providers
from pydantic import AfterValidator, BeforeValidator

from adapters.inbound.common.admission import Drain, StreamBudget
from adapters.inbound.common.clients import Counter
from adapters.inbound.common.connections import ConnectionBudget
from adapters.inbound.common.uris import parse_host
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.engine.running import Services
from adapters.inbound.http.engine.site import Site
from adapters.inbound.http.page.pages import Pages
from adapters.outbound.sql.repositories.shared_rates import SqlSharedRates
from application.rate_limit import RateLimiter
from domain.rate import parse_rates
from infrastructure import version
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.identity import IdentityParts, is_loopback
from infrastructure.capabilities.observing import ObservingParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capability import AllSettings, Capability, Parts, Variables, of
from infrastructure.chores import Chore
from infrastructure.setting_values import Count, Duration, Listed, OrNone, is_web_address, words

_BODY_THREADS = 4
_LOOK_SECONDS = 1.0


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
        rates = ()
    if not rates or any(rate.amount < 1 or rate.seconds < 1 for rate in rates):
        raise ValueError("allowed: a rate such as 600/minute, several separated by semicolons, or none")
    return text


def _user_rate_limit(text: str | None) -> str | None:
    return _rate_limit(text) if text else text


def _hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        if host != "*" and parse_host(host) is None:
            raise ValueError("allowed: names such as files.example.org, separated by commas, without port; or *")
    return hosts


class WebVariables(Variables):
    allowed_hosts: Annotated[Listed[str], BeforeValidator(words), AfterValidator(_hosts)] = ()
    cors_origins: Annotated[Listed[str], BeforeValidator(words), AfterValidator(_origins)] = ()
    rate_limit: Annotated[OrNone[str], AfterValidator(_rate_limit)] = "600/minute"
    user_rate_limit: Annotated[OrNone[str], AfterValidator(_user_rate_limit)] = ""
    upload_rate_limit: Annotated[OrNone[str], AfterValidator(_rate_limit)] = "12000/minute"
    connections_per_client: OrNone[Count] = 16_384
    streams_per_client: OrNone[Count] = 12_000
    keep_alive: Duration = timedelta(seconds=75)


def _names(auth_mode: str, api_host: str, public_url: str, allowed: tuple[str, ...]) -> tuple[str, ...] | None:
    """Who may do anything without saying who they are must not be reached by a page that renames us."""
    if auth_mode != "open" or not is_loopback(api_host) or "*" in allowed:
        return None
    own = urlsplit(public_url).hostname
    return ("localhost", "127.0.0.1", "::1", api_host, *([own] if own else []), *allowed)


class WebParts(Parts):
    """What the dialects have in common."""

    body_threads = providers.Singleton(ThreadPoolExecutor, _BODY_THREADS, thread_name_prefix="body")
    rate_limiter = providers.Singleton(
        RateLimiter,
        of.rate_limit,
        uploads=of.upload_rate_limit,
        users=of.user_rate_limit,
        shared=providers.Singleton(SqlSharedRates, DatabaseParts.database, SystemParts.clock),
        now=SystemParts.clock.provided.monotonic,
    )
    counter = providers.Singleton(Counter, rate_limiter, IdentityParts.authenticator)
    connection_budget = providers.Singleton(
        ConnectionBudget, of.connections_per_client, is_proxy=IdentityParts.authenticator.provided.is_proxy
    )
    stream_budget = providers.Singleton(StreamBudget, of.streams_per_client)
    cors = providers.Singleton(Cors, of.cors_origins)
    site = providers.Singleton(
        Site,
        cors,
        public_url=of.public_url,
        names=providers.Callable(_names, of.auth_mode, of.api_host, of.public_url, of.allowed_hosts),
    )
    drain = providers.Singleton(Drain)
    services = providers.Singleton(
        Services,
        authenticator=IdentityParts.authenticator,
        counter=counter,
        cors=cors,
        executor=body_threads,
        drain=drain,
        site=site,
        observers=ObservingParts.observers,
        begun=ObservingParts.tracer.provided.begun,
    )
    pages = providers.Singleton(Pages, version(), downloads_from=of.downloads_from)


@asynccontextmanager
async def _opened(parts: WebParts, _: AllSettings) -> AsyncIterator[None]:
    yield
    await parts.rate_limiter().close()


def _chores(parts: WebParts, _: AllSettings) -> Iterable[Chore]:
    limiter = parts.rate_limiter()
    if limiter.is_limiting:
        yield Chore(work=limiter.look, seconds=_LOOK_SECONDS, at_once=True)


WEB = Capability(
    variables=WebVariables,
    parts=[WebParts],
    opened=_opened,
    resources=lambda parts: parts.pages().resources(),
    chores=_chores,
    documents=["adapters.inbound.http.page.document"],
)
