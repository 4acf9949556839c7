"""The dialects at /uploads: tus 1.0 and IETF resumable uploads."""

from dependency_injector import providers

from adapters.inbound.http.uploads.resumable import Resumable
from adapters.inbound.http.uploads.tus import Tus
from adapters.inbound.http.uploads.uploads import Uploads
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.files import FilesParts
from infrastructure.capabilities.links import LinksParts
from infrastructure.capability import Capability, Parts, of


class UploadsParts(Parts):
    tus = providers.Singleton(
        Tus,
        uploads=CoreParts.uploads,
        downloads=CoreParts.downloads,
        files=FilesParts.files,
        links=LinksParts.links,
        max_length_bytes=of.max_upload_size,
    )
    resumable = providers.Singleton(
        Resumable,
        uploads=CoreParts.uploads,
        files=FilesParts.files,
        links=LinksParts.links,
        max_length_bytes=of.max_upload_size,
        lifetime=of.upload_ttl,
    )
    upload_routes = providers.Singleton(Uploads, tus=tus, resumable=resumable, library=FilesParts.library)


UPLOADS = Capability(
    parts=[UploadsParts],
    resources=lambda parts: parts.upload_routes().resources(),
    documents=["adapters.inbound.http.uploads.document"],
)
