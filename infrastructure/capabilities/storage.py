"""Where the bytes are: on a volume, in an S3 bucket, or what else ``STORAGES`` has."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from dependency_injector import providers
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_serializer

from adapters.outbound.s3.address import BucketAddress
from domain.errors import StorageFull
from infrastructure.capabilities.storages.bucket import (
    BUCKET,
    check_bucket_name,
    check_endpoint,
    check_region,
    parse_bucket_url,
)
from infrastructure.capabilities.storages.volume import VOLUME
from infrastructure.capabilities.system import AtHome, SystemVariables
from infrastructure.capability import Capability, Parts, of
from infrastructure.setting_values import Flag, Secret, lower, path_in_url, path_of_url
from ports.blob_storage import BlobStorage
from ports.health import HealthCheck

STORAGES = {"volume": VOLUME, "s3": BUCKET}
"""By the scheme of STORAGE_URL."""


def _storage_url(text: object) -> object:
    if not isinstance(text, str):
        return text
    storage = STORAGES.get(_scheme_of(text))
    if storage is None or not storage.reads(text):
        raise ValueError(f"allowed: {', '.join(storage.form for storage in STORAGES.values())}")
    return text


def _scheme_of(url: str) -> str:
    return url.partition(":")[0]


def _storage_path(path: Path, info: ValidationInfo) -> Path:
    url: str = info.data.get("storage_url", "")
    if path == Path() and _scheme_of(url) == "volume":
        path = path_of_url(url.removeprefix("volume://"))
    elif path == Path():
        path = info.data.get("data_dir", Path()) / "storage"
    return path.expanduser().absolute()


class StorageVariables(SystemVariables):
    storage_url: Annotated[str, BeforeValidator(_storage_url), AtHome] = Field(
        "volume://{DATA_DIR}/storage", validate_default=True
    )
    storage_path: Annotated[Path, AfterValidator(_storage_path)] = Field(Path(), validate_default=True)
    """Where the volume is, whichever of the two variables said so."""
    s3_access_key: Secret | None = None
    s3_secret_key: Secret | None = None
    s3_endpoint: Annotated[str | None, AfterValidator(check_endpoint)] = None
    s3_region: Annotated[str | None, AfterValidator(check_region)] = None
    s3_bucket: Annotated[str | None, AfterValidator(check_bucket_name)] = None
    s3_use_ssl: Flag = True
    s3_proxy: Flag = False
    durability: Annotated[Literal["ack", "complete", "none"], BeforeValidator(lower)] = "ack"

    @property
    def storage_scheme(self) -> str:
        """One of ``STORAGES``; S3_BUCKET alone is enough for ``s3``, where STORAGE_URL says nothing."""
        if self.s3_bucket and "storage_url" not in self.model_fields_set:
            return "s3"
        return _scheme_of(self.storage_url)

    @property
    def bucket(self) -> BucketAddress | None:
        """None where the bytes are not in one. What STORAGE_URL says wins over the other names."""
        if self.storage_scheme != "s3" or not self.s3_access_key or not self.s3_secret_key:
            return None
        query: dict[str, str] = {}
        name = self.s3_bucket or ""
        if _scheme_of(self.storage_url) == "s3":
            name, query = parse_bucket_url(self.storage_url)
        endpoint = query.get("endpoint") or self.s3_endpoint
        if endpoint and "://" not in endpoint:
            endpoint = f"{'https' if self.s3_use_ssl else 'http'}://{endpoint}"
        return BucketAddress(
            name=name,
            region=query.get("region") or self.s3_region or "us-east-1",
            endpoint=endpoint,
            access_key=self.s3_access_key.get_secret_value(),
            secret_key=self.s3_secret_key.get_secret_value(),
        )

    @property
    def downloads_from(self) -> str | None:
        """The origin that clients are sent to for a file's bytes; None: they get them here."""
        return self.bucket.origin if self.bucket and not self.s3_proxy else None

    @field_serializer("storage_url")
    def _shown_url(self, url: str) -> str:
        """One URL that says what all the variables say together."""
        if bucket := self.bucket:
            endpoint = f"endpoint={quote(bucket.endpoint, safe=':/')}&" if bucket.endpoint else ""
            return f"s3://{bucket.name}?{endpoint}region={bucket.region}"
        return f"volume://{path_in_url(self.storage_path)}" if self.storage_scheme == "volume" else url

    @field_serializer("storage_path")
    def _shown_path(self, path: Path) -> str:
        return str(path) if self.storage_scheme == "volume" else ""


def _misfits(settings: StorageVariables) -> Iterable[str]:
    if settings.storage_scheme == "s3" and not (settings.s3_access_key and settings.s3_secret_key):
        name = "STORAGE_URL" if _scheme_of(settings.storage_url) == "s3" else "S3_BUCKET"
        yield f"{name}: a bucket needs S3_ACCESS_KEY and S3_SECRET_KEY"


def _warnings(settings: StorageVariables) -> Iterable[str]:
    if settings.durability != "ack":
        yield f"DURABILITY is {settings.durability}: a crash can lose what was acknowledged"


class StorageParts(Parts):
    storage_scheme = of.storage_scheme
    chunk_storage = providers.Selector(storage_scheme, **{name: storage.chunks for name, storage in STORAGES.items()})
    blob_storage = providers.Selector(storage_scheme, **{name: storage.blobs for name, storage in STORAGES.items()})
    medium = providers.Selector(storage_scheme, **{name: storage.medium for name, storage in STORAGES.items()})
    chunk_intake = providers.Selector(
        storage_scheme, **{name: storage.intake or providers.Object(None) for name, storage in STORAGES.items()}
    )
    file_intake = providers.Selector(
        storage_scheme, **{name: storage.file_intake or providers.Object(None) for name, storage in STORAGES.items()}
    )


class _There(HealthCheck):
    """Whether the storage is there. A full one is: what is left of it is told by ``room.py``."""

    def __init__(self, blobs: BlobStorage) -> None:
        self._blobs = blobs

    async def check(self) -> None:
        with suppress(StorageFull):
            await self._blobs.check()


def _opened(parts: StorageParts, settings: StorageVariables) -> AbstractAsyncContextManager[None]:
    return STORAGES[settings.storage_scheme].opened(parts)


def _opened_to_look(parts: StorageParts) -> AbstractAsyncContextManager[object]:
    return STORAGES[parts.storage_scheme()].opened_to_look(parts)


STORAGE = Capability(
    variables=StorageVariables,
    misfits=_misfits,
    warnings=_warnings,
    parts=[StorageParts, *(storage.parts for storage in STORAGES.values())],
    opened=_opened,
    opened_to_look=_opened_to_look,
    health=lambda parts: {"storage": providers.Singleton(_There, parts.blob_storage)},
)
