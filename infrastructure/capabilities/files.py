"""Files at /files: told of, opened, linked to and deleted."""

from dependency_injector import providers

from adapters.inbound.http.files.files import Files
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.links import LinksParts
from infrastructure.capability import Capability, Parts


class FilesParts(Parts):
    files = providers.Singleton(
        Files,
        downloads=CoreParts.downloads,
        uploads=CoreParts.uploads,
        stored=CoreParts.stored_files,
        links=LinksParts.links,
    )


FILES = Capability(parts=[FilesParts], resources=lambda parts: parts.files().resources())
