"""Files at /files: listed, told of, opened, linked to, changed and deleted."""

from collections.abc import Iterable

from dependency_injector import providers

from adapters.inbound.http.engine.exchange import Resource
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.library import Library
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.links import LinksParts
from infrastructure.capability import Capability, Parts


class FilesParts(Parts):
    files = providers.Singleton(Files, downloads=CoreParts.downloads, links=LinksParts.links)
    library = providers.Singleton(
        Library,
        files=files,
        stored=CoreParts.stored_files,
        uploads=CoreParts.uploads,
        downloads=CoreParts.downloads,
        links=LinksParts.links,
    )


def _resources(parts: FilesParts) -> Iterable[Resource]:
    return [*parts.files().resources(), *parts.library().resources()]


FILES = Capability(parts=[FilesParts], resources=_resources, documents=["adapters.inbound.http.files.document"])
