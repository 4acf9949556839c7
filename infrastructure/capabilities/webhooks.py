"""Webhooks: what has happened is told to receivers of the operator's, by jobs of workers' own for each of them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from dependency_injector import providers
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr

from adapters.inbound.common.uris import parse_host
from adapters.outbound.memory.job_carrier import MemoryJobCarrier
from application.observing.traced import TracedWebhookSender
from application.observing.untraced import UNTRACED
from application.webhook import DeliveryHandler
from application.worker import Worker
from domain.events import Event
from domain.ids import JobId
from domain.job import JobsOf, Schedule
from domain.public_address import is_public
from domain.webhook import EVENT_TYPES, Endpoint, Webhooks, parse_secret
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.observing import ObservingParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capability import AllParts, Capability, Parts, Variables, late, of
from infrastructure.setting_values import Duration, Flag, Listed, Secret, ascii_url, format_duration, words
from ports.clock import Clock
from ports.feed import Feed
from ports.id_generator import IdGenerator
from ports.metrics import Metrics
from ports.tracer import Tracer
from ports.unit_of_work import UnitOfWorkFactory
from ports.webhook_sender import WebhookSender

_SLOTS = 8
_LEAST_LOOK_SECONDS, _MOST_LOOK_SECONDS = 0.1, 2.0
_LEAST_LEASE_SECONDS = 1.0
_SPREAD = 0.2
_SECONDS = (1, 5, 10, 15, 30, 30, 60, 120, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
_HOW = "such as of `echo whsec_$(openssl rand -base64 32)`"


def _urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    """In ASCII, each once."""
    return tuple(dict.fromkeys(map(_url, urls)))


def _url(url: str) -> str:
    try:
        url = ascii_url(url)
    except ValueError:
        url = ""
    if not _is_endpoint(url):
        raise ValueError("allowed: https://host/path, several separated by commas, without user, password and #")
    return url


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = parse_host(parts.hostname or "") is not None and parts.port != 0
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and has_host and url.isascii() and not set(url) & set("@#\\\"'<>")


def _secrets(secret: SecretStr) -> SecretStr:
    try:
        for word in secret.get_secret_value().split():
            parse_secret(word)
    except ValueError as error:
        raise ValueError(f"{error}, {_HOW}; while one is exchanged, both, separated by a blank") from None
    return secret


def _types(types: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := set(types).difference(EVENT_TYPES):
        raise ValueError(f"allowed: {', '.join(EVENT_TYPES)} ({min(unknown)[:40]!r} is none of them)")
    return types


_Durations = Annotated[
    tuple[Duration, ...],
    BeforeValidator(words),
    PlainSerializer(lambda durations: ",".join(map(format_duration, durations))),
]


class WebhooksVariables(Variables):
    webhook_urls: Annotated[Listed[str], BeforeValidator(words), AfterValidator(_urls)] = Field((), repr=False)
    """They may be secrets by themselves: not for logs."""
    webhook_secret: Annotated[Secret, AfterValidator(_secrets)] | None = None
    webhook_events: Annotated[Listed[str], BeforeValidator(words), AfterValidator(_types)] = ()
    webhook_timeout: Duration = timedelta(seconds=15)
    webhook_retries: _Durations = tuple(timedelta(seconds=seconds) for seconds in _SECONDS)
    webhooks_allow_private: Flag = False


def _misfits(settings: WebhooksVariables) -> Iterable[str]:
    if settings.webhook_urls and settings.webhook_secret is None:
        yield f"WEBHOOK_URLS: they need WEBHOOK_SECRET, which deliveries are signed with, {_HOW}"
    if settings.webhooks_allow_private:
        return
    for parts in map(urlsplit, settings.webhook_urls):
        if parts.scheme != "https":
            yield f"WEBHOOK_URLS: http://{parts.netloc} is read by all on the way, which needs WEBHOOKS_ALLOW_PRIVATE=1"
        elif _is_within(parts.hostname or ""):
            yield f"WEBHOOK_URLS: {parts.netloc} is a private address, which needs WEBHOOKS_ALLOW_PRIVATE=1"


def _is_within(host: str) -> bool:
    """Whether the host's own spelling says so; what a name stands for is looked at whenever something is sent."""
    try:
        return not is_public(str(ip_address(host)))
    except ValueError:
        return host.rstrip(".").rpartition(".")[2] == "localhost"


def _webhooks(settings: WebhooksVariables) -> Webhooks:
    return Webhooks([Endpoint(url) for url in settings.webhook_urls], frozenset(settings.webhook_events))


def _workers(
    *,
    settings: WebhooksVariables,
    webhooks: Webhooks,
    sender: WebhookSender,
    unit_of_work: UnitOfWorkFactory,
    feed: Feed,
    clock: Clock,
    ids: IdGenerator,
    metrics: Metrics,
    tracer: Tracer,
) -> list[Worker]:
    """One for each endpoint, so that none of them waits for another; ``feed`` wakes them."""
    if tracer is not UNTRACED:
        sender = TracedWebhookSender(sender, tracer, clock.monotonic)
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
    secrets = tuple(parse_secret(word) for word in secret.split())
    schedule = Schedule(tuple(pause.total_seconds() for pause in settings.webhook_retries), spread=_SPREAD)
    # What failed is not found later than it is due by more than it waited for.
    idle_seconds = max(_LEAST_LOOK_SECONDS, min(_MOST_LOOK_SECONDS, *schedule.pauses))
    carriers = [MemoryJobCarrier() for _ in webhooks.endpoints]

    def wake(event: Event) -> None:
        if webhooks.wants(event):
            for carrier in carriers:
                carrier.carry(JobId(event.id))

    if carriers:
        feed.listen(wake, lambda: None)
    return [
        Worker(
            unit_of_work=unit_of_work,
            carrier=carrier,
            ids=ids,
            handlers=[
                DeliveryHandler(
                    endpoint,
                    secrets=secrets,
                    schedule=schedule,
                    unit_of_work=unit_of_work,
                    sender=sender,
                    clock=clock,
                )
            ],
            slots=_SLOTS,
            metrics=metrics,
            tracer=tracer,
            idle_seconds=idle_seconds,
            lease_seconds=max(_LEAST_LEASE_SECONDS, settings.webhook_timeout.total_seconds()),
        )
        for endpoint, carrier in zip(webhooks.endpoints, carriers, strict=True)
    ]


class WebhooksParts(Parts):
    webhooks = providers.Singleton(_webhooks, Parts.settings)
    webhook_sender = providers.Singleton(
        late("adapters.outbound.webhooks.sender", "TornadoWebhookSender"),
        allow_private=of.webhooks_allow_private,
        patience_seconds=providers.Callable(timedelta.total_seconds, of.webhook_timeout),
    )
    webhook_workers = providers.Singleton(
        _workers,
        settings=Parts.settings,
        webhooks=webhooks,
        sender=webhook_sender,
        unit_of_work=EventsParts.unit_of_work,
        feed=EventsParts.feed,
        clock=SystemParts.clock,
        ids=SystemParts.ids,
        metrics=ObservingParts.metrics,
        tracer=ObservingParts.tracer,
    )


def _jobs_of(parts: AllParts) -> JobsOf | None:
    webhooks: Webhooks = parts.webhooks()
    return webhooks.deliveries if webhooks.endpoints else None


@asynccontextmanager
async def _opened(parts: WebhooksParts, settings: WebhooksVariables) -> AsyncIterator[None]:
    yield
    if settings.webhook_urls:
        await parts.webhook_sender().close()


WEBHOOKS = Capability(
    variables=WebhooksVariables,
    misfits=_misfits,
    parts=[WebhooksParts],
    opened=_opened,
    jobs_of=_jobs_of,
    workers=lambda parts: parts.webhook_workers() if parts.webhooks().endpoints else (),
)
