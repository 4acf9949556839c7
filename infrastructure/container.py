"""Who is made of what: the one place where adapters meet use cases.

Everything here is made without waiting; ``startup.py`` starts what has to be started, and closes it again.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dependency_injector import containers, providers

from adapters.inbound.common.admission import Drain
from adapters.inbound.common.auth import Authenticator
from adapters.inbound.common.rate_limit import RateLimiter
from adapters.inbound.http.chunks.chunks import Chunks
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.engine.running import Services
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.forms.form import Form
from adapters.inbound.http.operations.health import Health
from adapters.inbound.http.progress.events import EventStreams
from adapters.inbound.http.uploads.resumable import Resumable
from adapters.inbound.http.uploads.tus import Tus
from adapters.inbound.http.uploads.uploads import Uploads
from adapters.inbound.websocket.base import Sockets
from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.ledger.ledger import SqlReceivedLedger
from adapters.outbound.sql.locks.lock import SqlUploadLock
from adapters.outbound.sql.repositories.installation import SqlInstallation
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.system.id_generator import SystemIdGenerator
from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_intake import VolumeChunkIntake
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume
from adapters.outbound.volume.writing.writer import ChunkWriter
from application.cleanup import CleanupUseCase
from application.digest import DigestUseCase
from application.download import DownloadUseCase
from application.health import HealthUseCase
from application.progress import ProgressUseCase
from application.reconcile import ReconcileUseCase
from application.upload import UploadUseCase
from domain.upload_policy import UploadPolicy
from infrastructure.link_secret import link_secret
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from adapters.outbound.pg_notify.feed import PostgresFeed
    from adapters.outbound.pg_notify.notifier import PostgresProgressNotifier
    from adapters.outbound.s3.address import BucketAddress
    from adapters.outbound.s3.blob_storage import S3BlobStorage
    from adapters.outbound.s3.bucket import Bucket
    from adapters.outbound.s3.chunk_storage import S3ChunkStorage

_BODY_THREADS = 4


def _postgres_feed(url: str) -> "PostgresFeed":
    from adapters.outbound.pg_notify.feed import PostgresFeed  # noqa: PLC0415 -- asyncpg is 3 MiB; SQLite needs none

    return PostgresFeed(url)


def _postgres_notifier(url: str, feed: "PostgresFeed") -> "PostgresProgressNotifier":
    from adapters.outbound.pg_notify.notifier import PostgresProgressNotifier  # noqa: PLC0415 -- as above

    return PostgresProgressNotifier(url, feed)


def _bucket(address: "BucketAddress") -> "Bucket":
    from adapters.outbound.s3.bucket import Bucket  # noqa: PLC0415 -- aiobotocore is large, and a volume needs none

    return Bucket(address)


def _s3_chunk_storage(bucket: "Bucket") -> "S3ChunkStorage":
    from adapters.outbound.s3.chunk_storage import S3ChunkStorage  # noqa: PLC0415 -- as above

    return S3ChunkStorage(bucket)


def _s3_blob_storage(bucket: "Bucket", proxy: bool) -> "S3BlobStorage":
    from adapters.outbound.s3.blob_storage import S3BlobStorage  # noqa: PLC0415 -- as above

    return S3BlobStorage(bucket, gives_links=not proxy)


def recorder(database: Database) -> tuple[str, ...] | None:
    """The program of the process that writes small chunks, if it can record them: where the ledger is a file, too."""
    if not database.is_sqlite:
        return None
    durable = "--durable" if database.durable else "--no-durable"
    return ("infrastructure.recording_writer", "--database", str(Path(database.sqlite_path).absolute()), durable)


def _origins(foreign: tuple[str, ...], public_url: str) -> tuple[str, ...]:
    parts = urlsplit(public_url)
    return (*foreign, f"{parts.scheme}://{parts.netloc}") if parts.netloc else foreign


class Container(containers.DeclarativeContainer):
    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)
    of = settings.provided
    events = providers.Callable(lambda url: url.partition(":")[0], of.events_url)

    # We call the outside
    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(SystemIdGenerator)
    database = providers.Singleton(
        Database, of.database_url, durable=providers.Callable(lambda durability: durability != "none", of.durability)
    )
    installation = providers.Singleton(SqlInstallation, database)
    # Progress reaches this process only, or by LISTEN and NOTIFY every process on the database.
    memory_feed = providers.Singleton(MemoryFeed)
    postgres_feed = providers.Singleton(_postgres_feed, of.database_url)
    postgres_notifier = providers.Singleton(_postgres_notifier, of.database_url, postgres_feed)
    feed = providers.Selector(events, memory=memory_feed, postgres=postgres_feed)
    notifier = providers.Selector(
        events,
        memory=providers.Singleton(MemoryProgressNotifier, memory_feed),
        postgres=postgres_notifier,
    )
    outbox = providers.Singleton(SqlOutbox, database, notifier)
    unit_of_work = providers.Singleton(SqlUnitOfWorkFactory, database, outbox)
    lock = providers.Singleton(SqlUploadLock, database, clock)
    ledger = providers.Singleton(SqlReceivedLedger, database)
    volume = providers.Singleton(Volume, providers.Callable(Path, of.storage_path))
    threads = providers.Singleton(Threads, "volume")
    durability = providers.Callable(Durability, of.durability)
    chunk_writer = providers.Singleton(ChunkWriter, volume, durability, providers.Callable(recorder, database))
    bucket = providers.Singleton(_bucket, of.bucket)
    storage = providers.Callable(lambda uses_bucket: "s3" if uses_bucket else "volume", of.uses_bucket)
    chunk_storage = providers.Selector(
        storage,
        volume=providers.Singleton(VolumeChunkStorage, volume, threads, durability=durability, writer=chunk_writer),
        s3=providers.Singleton(_s3_chunk_storage, bucket),
    )
    chunk_intake = providers.Selector(
        storage,
        volume=providers.Singleton(
            VolumeChunkIntake, chunk_storage, ledger, writer=chunk_writer, turn=database.provided.turns
        ),
        s3=providers.Object(None),
    )
    blob_storage = providers.Selector(
        storage,
        volume=providers.Singleton(VolumeBlobStorage, volume, threads),
        s3=providers.Singleton(_s3_blob_storage, bucket, of.s3_proxy),
    )

    signer = providers.Singleton(HmacDownloadSigner, providers.Callable(link_secret, of.data_dir, of.link_secret))

    # Use cases
    policy = providers.Singleton(
        UploadPolicy,
        max_length_bytes=of.max_upload_size,
        ttl=of.upload_ttl,
        max_open_uploads=of.quota_open_uploads,
        max_bytes=of.quota_bytes,
    )
    digests = providers.Singleton(DigestUseCase, unit_of_work=unit_of_work, blobs=blob_storage, clock=clock)
    uploads = providers.Singleton(
        UploadUseCase,
        unit_of_work=unit_of_work,
        lock=lock,
        ledger=ledger,
        storage=chunk_storage,
        blobs=blob_storage,
        digests=digests,
        notifier=notifier,
        clock=clock,
        ids=ids,
        policy=policy,
        intake=chunk_intake,
    )
    downloads = providers.Singleton(
        DownloadUseCase, unit_of_work=unit_of_work, blobs=blob_storage, digests=digests, signer=signer, clock=clock
    )
    progress = providers.Singleton(ProgressUseCase, unit_of_work, feed, clock)
    cleanup = providers.Singleton(
        CleanupUseCase,
        uploads=uploads,
        unit_of_work=unit_of_work,
        storage=chunk_storage,
        blobs=blob_storage,
        clock=clock,
        orphans_after=of.cleanup_after,
        ended_after=of.upload_ttl,
    )
    reconcile = providers.Singleton(
        ReconcileUseCase, uploads=uploads, unit_of_work=unit_of_work, outbox=outbox, clock=clock
    )
    health = providers.Singleton(
        HealthUseCase,
        # Jobs wait in the database, so their queue is there when it is.
        checks=providers.Dict(database=database, storage=blob_storage, queue=database),
        clock=clock,
    )

    # The outside calls us
    body_threads = providers.Singleton(ThreadPoolExecutor, _BODY_THREADS, thread_name_prefix="body")
    authenticator = providers.Singleton(Authenticator, of.auth_mode, trusted_proxies=of.trusted_proxies)
    rate_limiter = providers.Singleton(RateLimiter, of.rate_limit)
    cors = providers.Singleton(Cors, of.cors_origins)
    drain = providers.Singleton(Drain)
    links = providers.Singleton(Links, of.public_url)
    services = providers.Singleton(
        Services,
        authenticator=authenticator,
        rate_limiter=rate_limiter,
        cors=cors,
        executor=body_threads,
        drain=drain,
    )
    tus = providers.Singleton(
        Tus, uploads=uploads, downloads=downloads, links=links, max_length_bytes=of.max_upload_size
    )
    files = providers.Singleton(Files, downloads=downloads, uploads=uploads, links=links)
    resumable = providers.Singleton(
        Resumable,
        uploads=uploads,
        files=files,
        links=links,
        max_length_bytes=of.max_upload_size,
        lifetime=of.upload_ttl,
    )
    upload_routes = providers.Singleton(Uploads, tus=tus, resumable=resumable, files=files, uploads=uploads)
    form = providers.Singleton(Form, uploads=uploads, downloads=downloads, links=links, executor=body_threads)
    chunks = providers.Singleton(
        Chunks,
        uploads=uploads,
        downloads=downloads,
        links=links,
        executor=body_threads,
        max_chunk_size=of.max_chunk_size,
        spool=of.data_dir,
    )
    # Behind a proxy that calls us by another name, our own page comes from PUBLIC_URL.
    sockets = providers.Singleton(Sockets, drain, origins=providers.Callable(_origins, of.cors_origins, of.public_url))
    streams = providers.Singleton(EventStreams, drain)
    health_route = providers.Singleton(Health, health, drain)
