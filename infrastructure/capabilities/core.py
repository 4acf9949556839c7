"""The use cases, made of what the other capabilities bring, and what an upload may take."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from dependency_injector import providers

from application.core import Outside, core_of
from domain.upload_policy import UploadPolicy
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.events import EventsParts
from infrastructure.capabilities.links import LinksParts
from infrastructure.capabilities.observing import ObservingParts
from infrastructure.capabilities.room import RoomParts
from infrastructure.capabilities.storage import StorageParts
from infrastructure.capabilities.system import SystemParts
from infrastructure.capability import Capability, Parts, Variables, of
from infrastructure.setting_values import Count, Duration, OrNone, Size


class CoreVariables(Variables):
    max_upload_size: Size = 50 * 1024**3
    upload_ttl: Duration = timedelta(hours=24)
    quota_open_uploads: OrNone[Count] = 100
    quota_files: OrNone[Count] = 1_000_000
    quota_bytes: OrNone[Size] = None


class CoreParts(Parts):
    outside = providers.Singleton(
        Outside,
        unit_of_work=EventsParts.unit_of_work,
        lock=DatabaseParts.lock,
        ledger=DatabaseParts.ledger,
        outbox=EventsParts.outbox,
        chunks=StorageParts.chunk_storage,
        blobs=StorageParts.blob_storage,
        intake=StorageParts.chunk_intake,
        file_intake=StorageParts.file_intake,
        notifier=EventsParts.notifier,
        feed=EventsParts.feed,
        signer=LinksParts.signer,
        clock=SystemParts.clock,
        ids=SystemParts.ids,
        room=RoomParts.room,
        metrics=ObservingParts.metrics,
    )
    policy = providers.Singleton(
        UploadPolicy,
        max_length_bytes=of.max_upload_size,
        ttl=of.upload_ttl,
        max_open_uploads=of.quota_open_uploads,
        max_files=of.quota_files,
        max_bytes=of.quota_bytes,
    )
    core = providers.Singleton(
        core_of, outside, policy=policy, orphans_after=of.cleanup_after, ended_after=of.upload_ttl
    )
    uploads = core.provided.uploads
    keeping = core.provided.keeping
    downloads = core.provided.downloads
    stored_files = core.provided.files
    file_ending = core.provided.file_ending
    digests = core.provided.digests
    progress = core.provided.progress
    reconcile = core.provided.reconcile
    cleanup = core.provided.cleanup


@asynccontextmanager
async def _opened(parts: CoreParts, _: CoreVariables) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for part in (parts.progress(), parts.outbox(), parts.file_records(), parts.ledger(), parts.lock()):
            stack.push_async_callback(part.close)
        yield


CORE = Capability(
    variables=CoreVariables,
    parts=[CoreParts],
    opened=_opened,
)
