"""Files at /files: listed, told of, opened, linked to, downloaded together, changed and deleted."""

from collections.abc import Iterable

from dependency_injector import providers

from adapters.inbound.http.engine.exchange import Resource
from adapters.inbound.http.files.archives import ArchiveRoutes
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.library import Library
from adapters.outbound.sql.repositories.archives import SqlArchives
from application.file.archive import ArchiveUseCase
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.links import LinksParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capability import Capability, Parts


class FilesParts(Parts):
    files = providers.Singleton(
        Files, downloads=CoreParts.downloads, stored=CoreParts.stored_files, links=LinksParts.links
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


FILES = Capability(parts=[FilesParts], resources=_resources, documents=["adapters.inbound.http.files.document"])
