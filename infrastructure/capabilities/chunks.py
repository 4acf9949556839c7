"""The chunk API: an upload in pieces that come in any order."""

from dependency_injector import providers

from adapters.inbound.http.chunks.chunks import Chunks
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.links import LinksParts
from infrastructure.capabilities.web import WebParts
from infrastructure.capability import Capability, Parts, Variables, of
from infrastructure.setting_values import Size


class ChunksVariables(Variables):
    max_chunk_size: Size = 10 * 1024**2


class ChunksParts(Parts):
    chunks = providers.Singleton(
        Chunks,
        uploads=CoreParts.uploads,
        downloads=CoreParts.downloads,
        links=LinksParts.links,
        executor=WebParts.body_threads,
        max_chunk_size=of.max_chunk_size,
        spool=of.data_dir,
    )


CHUNKS = Capability(
    variables=ChunksVariables,
    parts=[ChunksParts],
    resources=lambda parts: parts.chunks().resources(),
    documents=["adapters.inbound.http.chunks.document"],
)
