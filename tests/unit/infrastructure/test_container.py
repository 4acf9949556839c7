"""Every part can be made, whichever way the server is set up: a misspelt name or argument is found here."""

import sys
from pathlib import Path

import pytest

from adapters.outbound.nats.notifications import NatsNotifications
from domain.errors import Unavailable
from infrastructure.capabilities import CAPABILITIES
from infrastructure.capabilities.core import CORE
from infrastructure.capabilities.database import DATABASE
from infrastructure.capabilities.events import EVENTS
from infrastructure.capabilities.jobs import JOBS
from infrastructure.capabilities.links import LINKS
from infrastructure.capabilities.observing import OBSERVING
from infrastructure.capabilities.storage import STORAGE, STORAGES
from infrastructure.capabilities.system import SYSTEM
from infrastructure.capability import CannotStart
from infrastructure.container import Container, container_of
from infrastructure.settings import Settings
from infrastructure.startup import started

_POSTGRESQL = "postgresql://root:secret@127.0.0.1:1/nobody"
_WAYS = {
    "sqlite-volume": {},
    "postgresql-volume": {"database_url": _POSTGRESQL, "events_url": "postgres://"},
    "sqlite-s3": {"storage_url": "s3://files", "s3_access_key": "key", "s3_secret_key": "secret"},
    "by-tokens": {"auth_mode": "jwt", "auth_jwt_secret": "0b1c2d3e4f5061728394a5b6c7d8e9f0"},
    "behind-a-gateway": {"auth_mode": "gateway", "trusted_proxies": "::1", "rate_limit": "none", "quota_bytes": "5MB"},
}


@pytest.fixture(params=_WAYS)
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    return container_of(Settings.model_validate({"data_dir": tmp_path, **_WAYS[request.param]}))


async def test_every_part_can_be_made(container: Container) -> None:
    for name, part in container.providers.items():
        # S3 has no intake, and who is alone no supervisor.
        assert part() is not None or name.endswith("_intake") or name == "supervised", name
    await container.database().close()


async def test_what_is_served_can_be_made(container: Container) -> None:
    resources = [resource for capability in CAPABILITIES for resource in capability.resources(container)]
    handlers = [handler for capability in CAPABILITIES for handler in capability.handlers(container)]
    assert resources and handlers
    settings = container.settings()
    assert [chore for capability in CAPABILITIES for chore in capability.chores(container, settings)]
    await container.database().close()


async def test_health_asks_what_the_capabilities_name(container: Container) -> None:
    assert list(container.health_checks()) == ["database", "storage", "queue"]
    await container.database().close()


@pytest.mark.parametrize(("url", "name"), [("nats://h:4222", "nats"), ("amqp://u:p@h/v", "rabbitmq")])
async def test_health_asks_the_broker_that_carries_the_jobs(tmp_path: Path, url: str, name: str) -> None:
    container = container_of(Settings.model_validate({"data_dir": tmp_path, "jobs_url": url}))
    checks = container.health_checks()
    assert list(checks) == ["database", "storage", "queue", name]
    assert checks["queue"] is checks[name]
    with pytest.raises(Unavailable):
        await checks[name].check()
    await container.database().close()


@pytest.mark.parametrize("jobs_url", ["database://", "nats://h:4222"])
async def test_health_asks_nats_that_carries_the_events_by_one_name(tmp_path: Path, jobs_url: str) -> None:
    values = {"data_dir": tmp_path, "events_url": "nats://h:4222", "jobs_url": jobs_url}
    container = container_of(Settings.model_validate(values))
    checks = container.health_checks()
    assert list(checks) == ["database", "storage", "queue", "nats"]
    with pytest.raises(Unavailable):
        await checks["nats"].check()
    await container.database().close()


@pytest.mark.parametrize(
    ("variable", "url", "is_told"),
    [("jobs_url", "nats://h", True), ("events_url", "nats://h", True), ("jobs_url", "amqp://h", False)],
)
async def test_other_services_hear_of_details_where_there_is_nats(
    tmp_path: Path, variable: str, url: str, is_told: bool
) -> None:
    container = container_of(Settings.model_validate({"data_dir": tmp_path, variable: url}))
    assert isinstance(container.outbox()._notifier, NatsNotifications) is is_told
    await container.database().close()


def test_a_worker_apart_that_nobody_hears_of_is_warned_of(tmp_path: Path) -> None:
    values = {"data_dir": tmp_path, "workers_inline": 0}
    (warning,) = Settings.model_validate(values).warnings
    assert "EVENTS_URL" in warning
    assert not Settings.model_validate({**values, "events_url": "nats://h"}).warnings


def test_capabilities_start_one_after_the_other_and_end_the_other_way_round() -> None:
    """What is promised last is let go first: the locks, then what carries the news, the bytes, and the records last."""
    with_a_start = (SYSTEM, DATABASE, STORAGE, LINKS, JOBS, EVENTS, CORE)
    assert tuple(capability for capability in CAPABILITIES if capability in with_a_start) == with_a_start


def test_no_two_capabilities_bring_a_part_of_one_name() -> None:
    """The later one would take the other's place without a word."""
    seen: dict[str, object] = {}
    for parts in (parts for capability in CAPABILITIES for parts in capability.parts):
        for name, part in parts.providers.items():
            assert seen.setdefault(name, part) is part, name


def test_every_storage_is_one_that_can_be_chosen(tmp_path: Path) -> None:
    chosen = [container_of(Settings.model_validate({"data_dir": tmp_path, **way})) for way in _WAYS.values()]
    assert {container.settings().storage_scheme for container in chosen} == set(STORAGES)


async def test_a_collector_without_the_package_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    monkeypatch.delitem(sys.modules, "adapters.outbound.opentelemetry.tracer", raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")  # put back at the end
    settings = Settings.model_validate({"data_dir": tmp_path, "otel_exporter_otlp_endpoint": "http://127.0.0.1:4318"})
    told = r"^OTEL_EXPORTER_OTLP_ENDPOINT: it needs the package opentelemetry\S*: make otel"
    with pytest.raises(CannotStart, match=told):
        async with started(settings, [OBSERVING]):
            pass
