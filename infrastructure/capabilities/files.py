"""Files at /files: listed, told of, opened, linked to, downloaded together, changed and deleted."""

import re
from collections.abc import Iterable
from typing import Annotated

from dependency_injector import providers
from pydantic import AfterValidator

from adapters.inbound.http.engine.exchange import Resource
from adapters.inbound.http.files.archives import ArchiveRoutes
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.front import Front
from adapters.inbound.http.files.library import Library
from adapters.outbound.sql.repositories.archives import SqlArchives
from application.file.archive import ArchiveUseCase
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.identity import IdentityParts
from infrastructure.capabilities.links import LinksParts
from infrastructure.capabilities.storages.volume import VolumeParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capability import AllSettings, Capability, Parts, Variables, of


def _location(text: str) -> str:
    if text and not re.fullmatch(r"/(?:[A-Za-z0-9_.-]+/)+", text):
        raise ValueError("allowed: a path that begins and ends with a slash, such as /longshore-stored/")
    return text


class FilesVariables(Variables):
    x_accel_location: Annotated[str, AfterValidator(_location)] = ""


def _misfits(settings: AllSettings) -> Iterable[str]:
    if settings.x_accel_location and settings.storage_scheme != "volume":
        yield "X_ACCEL_LOCATION: a web server in front reads from a volume, not from a bucket"
    if settings.x_accel_location and not settings.trusted_proxies:
        yield "X_ACCEL_LOCATION needs TRUSTED_PROXIES: the web server that sends the files"


class FilesParts(Parts):
    front = providers.Singleton(
        Front,
        of.x_accel_location,
        place_of=VolumeParts.volume.provided.place_of,
        is_proxy=IdentityParts.authenticator.provided.is_proxy,
    )
    files = providers.Singleton(
        Files, downloads=CoreParts.downloads, stored=CoreParts.stored_files, links=LinksParts.links, front=front
    )
    library = providers.Singleton(
        Library,
        files=files,
        stored=CoreParts.stored_files,
        uploads=CoreParts.uploads,
        downloads=CoreParts.downloads,
        links=LinksParts.links,
    )
    archives = providers.Singleton(
        ArchiveUseCase,
        unit_of_work=EventsParts.unit_of_work,
        archives=providers.Singleton(SqlArchives, DatabaseParts.database),
        downloads=CoreParts.downloads,
        digests=CoreParts.digests,
        clock=SystemParts.clock,
        ids=SystemParts.ids,
    )
    archive_routes = providers.Singleton(ArchiveRoutes, archives, LinksParts.links)


def _resources(parts: FilesParts) -> Iterable[Resource]:
    return [*parts.files().resources(), *parts.archive_routes().resources(), *parts.library().resources()]


FILES = Capability(
    variables=FilesVariables,
    misfits=_misfits,
    parts=[FilesParts],
    resources=_resources,
    documents=["adapters.inbound.http.files.document"],
)
