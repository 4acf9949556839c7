"""Where the bytes are: on a volume or in an S3 bucket."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_serializer

from adapters.outbound.s3.address import BucketAddress
from infrastructure.capabilities.system import AtHome, SystemVariables
from infrastructure.capability import Capability
from infrastructure.setting_values import Flag, Secret, is_web_address, lower


def _storage_url(text: object) -> object:
    if not isinstance(text, str):
        return text
    if text.startswith("s3:"):
        _parse_bucket_url(text)
        return text
    folder = text.removeprefix("volume://")
    if folder == text or not folder.strip("/"):
        raise ValueError("allowed: volume://<folder>, s3://<bucket>?endpoint=<url>&region=<name>")
    return text


def _parse_bucket_url(text: str) -> tuple[str, dict[str, str]]:
    """The bucket's name, and what the query says of ``endpoint`` and ``region``."""
    if "@" in text:
        raise ValueError("the keys go into S3_ACCESS_KEY and S3_SECRET_KEY; allowed: s3://<bucket>?endpoint=…&region=…")
    parts = urlsplit(text)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme != "s3" or parts.path.strip("/") or parts.fragment or query.keys() - {"endpoint", "region"}:
        raise ValueError("allowed: s3://<bucket>?endpoint=<url>&region=<name>")
    _bucket_name(parts.netloc)
    _region(query.get("region"))
    _endpoint(query.get("endpoint"))
    return parts.netloc, query


def _bucket_name(text: str | None) -> str | None:
    if text and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", text, re.ASCII):
        raise ValueError("allowed: a bucket's name: 3 to 63 small letters, digits, dots and hyphens")
    return text


def _region(text: str | None) -> str | None:
    if text and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text, re.ASCII):
        raise ValueError("allowed: a region's name such as eu-central-1")
    return text


def _endpoint(text: str | None) -> str | None:
    """A URL, or a host and port: then S3_USE_SSL says which."""
    if text and not is_web_address(text if "://" in text else f"https://{text}"):
        raise ValueError("allowed: the service's address such as https://s3.example.org or host:9000")
    return text


def _storage_path(path: Path, info: ValidationInfo) -> Path:
    if path == Path():
        url: str = info.data.get("storage_url", "")
        path = info.data.get("data_dir", Path()) / "storage" if url.startswith("s3:") else Path(url[len("volume://") :])
    return path.expanduser().absolute()


class StorageVariables(SystemVariables):
    storage_url: Annotated[str, BeforeValidator(_storage_url), AtHome] = Field(
        "volume://{DATA_DIR}/storage", validate_default=True
    )
    storage_path: Annotated[Path, AfterValidator(_storage_path)] = Field(Path(), validate_default=True)
    """Where the volume is, whichever of the two variables said so."""
    s3_access_key: Secret | None = None
    s3_secret_key: Secret | None = None
    s3_endpoint: Annotated[str | None, AfterValidator(_endpoint)] = None
    s3_region: Annotated[str | None, AfterValidator(_region)] = None
    s3_bucket: Annotated[str | None, AfterValidator(_bucket_name)] = None
    s3_use_ssl: Flag = True
    s3_proxy: Flag = False
    durability: Annotated[Literal["ack", "complete", "none"], BeforeValidator(lower)] = "ack"

    @property
    def uses_bucket(self) -> bool:
        """Whether the bytes are in an S3 bucket; S3_BUCKET alone says so, too, where STORAGE_URL says nothing."""
        silent = "storage_url" not in self.model_fields_set
        return self.storage_url.startswith("s3:") or (silent and bool(self.s3_bucket))

    @property
    def bucket(self) -> BucketAddress | None:
        """None where the bytes are on a volume. What STORAGE_URL says wins over the other names."""
        if not self.uses_bucket or not self.s3_access_key or not self.s3_secret_key:
            return None
        query: dict[str, str] = {}
        name = self.s3_bucket or ""
        if self.storage_url.startswith("s3:"):
            name, query = _parse_bucket_url(self.storage_url)
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

    @field_serializer("storage_url")
    def _shown_url(self, _: str) -> str:
        """One URL that says what all the variables say together."""
        if bucket := self.bucket:
            endpoint = f"endpoint={bucket.endpoint}&" if bucket.endpoint else ""
            return f"s3://{bucket.name}?{endpoint}region={bucket.region}"
        return f"volume://{self.storage_path}"

    @field_serializer("storage_path")
    def _shown_path(self, path: Path) -> str:
        return "" if self.bucket else str(path)


def _misfits(settings: StorageVariables) -> Iterable[str]:
    if settings.uses_bucket and not (settings.s3_access_key and settings.s3_secret_key):
        name = "STORAGE_URL" if settings.storage_url.startswith("s3:") else "S3_BUCKET"
        yield f"{name}: a bucket needs S3_ACCESS_KEY and S3_SECRET_KEY"


def _warnings(settings: StorageVariables) -> Iterable[str]:
    if settings.durability != "ack":
        yield f"DURABILITY is {settings.durability}: a crash can lose what was acknowledged"


STORAGE = Capability(variables=StorageVariables, misfits=_misfits, warnings=_warnings)
