"""What the operator can set: environment variables or ``.env``, checked once at start. See ``Settings``.

A value that is not allowed stops the start with one line for each problem; see ``load_settings``.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from dotenv.parser import parse_stream
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adapters.inbound.common.rate_limit import parse_rates
from adapters.outbound.s3.address import BucketAddress

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_SIZE = 10**15 - 1  # lengths on the wire have at most 15 digits
_MAX_DURATION = timedelta(days=3650)
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgt]i?b?|b)?", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|d)?", re.ASCII | re.IGNORECASE)
_DURATION_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


_SECRET_LETTERS = 32
# What examples and tutorials have in place of a secret; chance does not write these.
_WELL_KNOWN = (
    *("changeme", "changethis", "changeit", "replaceme", "replacethis", "supersecret", "secretkey", "password"),
    *("yoursecret", "your256bitsecret", "your512bitsecret", "stringsecretatleast"),
)


class SettingsError(Exception):
    """Settings that can't be started with; ``problems`` has one line each, no secret in any of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def parse_size(text: object) -> object:
    """``16MiB`` (1024s), ``5MB`` (1000s) or plain bytes, as bytes."""
    if not isinstance(text, str):
        return text
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError("allowed: a size such as 16MiB, 5MB or 1048576")
    unit = (found[2] or "b").lower()
    factor = 1 if unit == "b" else (1024 if "i" in unit else 1000) ** ("kmgt".index(unit[0]) + 1)
    return int(Decimal(found[1]) * factor)


def parse_duration(text: object) -> object:
    """``500ms``, ``30s``, ``30m``, ``24h``, ``7d`` or plain seconds."""
    if not isinstance(text, str):
        return text
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError("allowed: a duration such as 500ms, 30s, 30m, 24h or 7d")
    try:
        return float(found[1]) * _DURATION_UNITS[(found[2] or "s").lower()]
    except OverflowError:
        raise ValueError(f"allowed: at most {format_duration(_MAX_DURATION)}") from None


def format_size(size: int) -> str:
    """As ``parse_size`` reads it, in the largest unit that loses nothing."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return str(size)


def format_duration(duration: timedelta) -> str:
    """As ``parse_duration`` reads it, in the largest unit that loses nothing."""
    for unit, length in _DURATION_UNITS.items():
        if duration % length == timedelta(0):
            return f"{duration // length}{unit}"
    return f"{duration.total_seconds()}s"


def mask_secrets(text: str) -> str:
    """``text`` without the password of a URL in it."""
    head, at, tail = text.rpartition("@")
    if at:
        scheme = re.match(r"[A-Za-z][\w.+-]*:/+", head)
        start = scheme[0] if scheme else ""
        user, colon, _ = head[len(start) :].partition(":")
        text = f"{start}{user + ':' if colon else ''}***@{tail}"
    return re.sub(r"(?i)([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]+", r"\1***", text)


def _size_in_range(size: int) -> int:
    if not 1 <= size <= _MAX_SIZE:
        raise ValueError(f"allowed: 1 to {_MAX_SIZE} bytes")
    return size


def _duration_in_range(duration: timedelta) -> timedelta:
    if not timedelta(milliseconds=100) <= duration <= _MAX_DURATION:
        raise ValueError(f"allowed: 100ms to {format_duration(_MAX_DURATION)}")
    return duration


def _within(low: int, high: int) -> BeforeValidator:
    def check(number: object) -> object:
        digits = str(number).strip()
        if not re.fullmatch(r"[0-9]{1,15}", digits, re.ASCII) or not low <= int(digits) <= high:
            raise ValueError(f"allowed: {low} to {high}")
        return int(digits)

    return BeforeValidator(check)


def _list(text: object) -> object:
    if not isinstance(text, str):
        return text
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def _or_none(text: object) -> object:
    return None if isinstance(text, str) and text.strip().lower() == "none" else text


def _lower(text: object) -> object:
    return text.strip().lower() if isinstance(text, str) else text


def _upper(text: object) -> object:
    return text.strip().upper() if isinstance(text, str) else text


def _networks(words: object) -> object:
    words = _list(words)
    if not isinstance(words, tuple):
        return words
    try:
        return tuple(ipaddress.ip_network(word) for word in words)
    except ValueError as error:
        raise ValueError(f"allowed: IP addresses and networks, separated by commas ({error})") from None


def _host(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_.:%-]{1,255}", text, re.ASCII):
        raise ValueError("allowed: a host name or an IP address to listen on, without scheme or port")
    return text


def _public_url(text: str) -> str:
    if not text:
        return ""
    if not _is_web_address(text):
        raise ValueError("allowed: http:// or https://, a host, perhaps a port and a path")
    return text.rstrip("/")


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        # "null" is what sandboxed frames and local files send: naming it would open the door to any page.
        if origin != "*" and (not _is_web_address(origin) or urlsplit(origin).path not in ("", "/")):
            raise ValueError("allowed: origins such as https://example.org, separated by commas, or *")
    return tuple(origin.rstrip("/").lower() for origin in origins)


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return good and not (set(text) & set(" \t\r\n\"'<>\\;,*?#@")) and text.isprintable()


def _data_dir(path: Path) -> Path:
    # The path becomes part of SQLite's URL, where a question mark ends the path.
    if "?" in str(path):
        raise ValueError("allowed: a folder without a question mark in its name")
    return path.expanduser().absolute()


def _at_home(text: str, info: ValidationInfo) -> str:
    return text.replace("{DATA_DIR}", str(info.data.get("data_dir", "")))


def _database_url(text: str) -> str:
    """The async form of the URLs that people write; to SQLAlchemy 2.1 a bare postgresql:// means psycopg."""
    scheme, separator, rest = text.strip().partition("://")
    drivers = {
        "postgres": "postgresql+asyncpg",
        "postgresql": "postgresql+asyncpg",
        "postgresql+asyncpg": "postgresql+asyncpg",
        "sqlite": "sqlite+aiosqlite",
        "sqlite+aiosqlite": "sqlite+aiosqlite",
    }
    allowed = "allowed: postgresql://user:password@host/database or sqlite:///path"
    if not separator or scheme not in drivers:
        raise ValueError(allowed)
    driver = drivers[scheme]
    if driver == "sqlite+aiosqlite":
        if re.fullmatch(r"/?(:memory:)?(\?.*)?", rest):
            raise ValueError("an in-memory database would forget every promise; allowed: sqlite:///path")
        if not rest.startswith("/"):
            raise ValueError("allowed: sqlite:///relative/path or sqlite:////absolute/path")
    if driver == "postgresql+asyncpg":
        rest = re.sub(r"(?<=[?&])sslmode=", "ssl=", rest)  # libpq's name for it, and asyncpg's
    try:
        make_url(f"{driver}://{rest}")
    except (ArgumentError, ValueError):
        raise ValueError(allowed) from None
    return f"{driver}://{rest}"


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
    if text and not _is_web_address(text if "://" in text else f"https://{text}"):
        raise ValueError("allowed: the service's address such as https://s3.example.org or host:9000")
    return text


def _storage_path(path: Path, info: ValidationInfo) -> Path:
    if path == Path():
        url: str = info.data.get("storage_url", "")
        path = info.data.get("data_dir", Path()) / "storage" if url.startswith("s3:") else Path(url[len("volume://") :])
    return path.expanduser().absolute()


def _events_url(text: object) -> object:
    if isinstance(text, str) and text.startswith("nats:"):
        raise ValueError("nats:// is not available yet; allowed: memory://, postgres://")
    if text == "postgresql://":
        return "postgres://"
    if isinstance(text, str) and text.startswith(("postgres://", "postgresql://")) and text != "postgres://":
        raise ValueError("allowed: postgres:// alone, it uses DATABASE_URL's database")
    return text


def _auth_mode(text: object) -> object:
    text = _lower(text)
    if text == "jwt":
        raise ValueError("jwt is not available yet; allowed: open, gateway")
    return text


def _jobs_url(text: str) -> str:
    if text != "database://" and not re.fullmatch(r"(nats|amqps?)://[^\s/]+\S*", text):
        raise ValueError("allowed: database://, nats://host:port, amqp://host:port")
    return text


def _secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    if len(text) < _SECRET_LETTERS or len(set(text)) < _SECRET_LETTERS // 4:
        raise ValueError(f"allowed: at least {_SECRET_LETTERS} letters at random, such as of `openssl rand -hex 32`")
    if any(word in plain for word in _WELL_KNOWN):
        raise ValueError("everybody knows it; allowed: letters at random, such as of `openssl rand -hex 32`")
    return secret


def _rate_limit(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        rates = parse_rates(text)
    except ValueError:
        rates = []
    if not rates or any(amount < 1 or seconds < 1 for amount, seconds in rates):
        raise ValueError("allowed: a rate such as 600/minute, several separated by semicolons, or none")
    return text


Size = Annotated[int, BeforeValidator(parse_size), AfterValidator(_size_in_range)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_duration_in_range)]
Words = Annotated[tuple[str, ...], BeforeValidator(_list)]
Count = Annotated[int, _within(1, 10**9)]


class Settings(BaseSettings):
    """The effective settings. Each field is the variable of the same name in capitals; sizes are in bytes.

    Takes what it is given and never looks at the machine's environment, so that a program that embeds
    Longshore gets what it asked for; ``load_settings`` is what reads the environment.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    api_port: Annotated[int, _within(1, 65535)] = 8888
    public_url: Annotated[str, AfterValidator(_public_url)] = ""
    data_dir: Annotated[Path, AfterValidator(_data_dir)] = Field(Path("var"), validate_default=True)

    database_url: Annotated[str, AfterValidator(_at_home), AfterValidator(_database_url)] = Field(
        "sqlite+aiosqlite:///{DATA_DIR}/files.db", repr=False, validate_default=True
    )
    """As SQLAlchemy takes it. It may hold a password: not for logs."""
    storage_url: Annotated[str, BeforeValidator(_storage_url), AfterValidator(_at_home)] = Field(
        "volume://{DATA_DIR}/storage", validate_default=True
    )
    storage_path: Annotated[Path, AfterValidator(_storage_path)] = Field(Path(), validate_default=True)
    """Where the volume is, whichever of the two variables said so."""
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_endpoint: Annotated[str | None, AfterValidator(_endpoint)] = None
    s3_region: Annotated[str | None, AfterValidator(_region)] = None
    s3_bucket: Annotated[str | None, AfterValidator(_bucket_name)] = None
    s3_use_ssl: bool = True
    s3_proxy: bool = False
    events_url: Annotated[Literal["memory://", "postgres://"], BeforeValidator(_events_url)] = "memory://"
    durability: Annotated[Literal["ack", "complete", "none"], BeforeValidator(_lower)] = "ack"

    max_upload_size: Size = 50 * 1024**3
    max_chunk_size: Size = 10 * 1024**2
    upload_ttl: Duration = timedelta(hours=24)
    cleanup_interval: Duration = timedelta(minutes=30)
    cleanup_after: Duration = timedelta(hours=1)

    auth_mode: Annotated[Literal["open", "gateway"], BeforeValidator(_auth_mode)] = "open"
    trusted_proxies: Annotated[tuple[IpNetwork, ...], BeforeValidator(_networks)] = ()
    cors_origins: Annotated[Words, AfterValidator(_origins)] = ()
    rate_limit: Annotated[str | None, BeforeValidator(_or_none), AfterValidator(_rate_limit)] = "600/minute"
    quota_open_uploads: Annotated[Count | None, BeforeValidator(_or_none)] = 100
    quota_bytes: Annotated[Size | None, BeforeValidator(_or_none)] = None
    link_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = "INFO"
    log_format: Annotated[Literal["console", "json"] | None, BeforeValidator(_lower)] = None

    # Known, checked and not used yet: a deployment may set them before the part that reads them is there.
    jobs_url: Annotated[str, AfterValidator(_jobs_url)] = Field("database://", repr=False)
    workers_inline: Annotated[int, _within(0, 64)] = 1
    max_file_size: Size = 10 * 1024**2
    image_max_size: Size = 5 * 1024**2
    image_max_count: Count = 10
    auth_jwt_secret: SecretStr | None = None
    auth_jwt_jwks_file: Path | None = None
    auth_jwt_algorithms: Words = ()
    auth_jwt_audience: str | None = None
    auth_jwt_issuer: str | None = None

    @classmethod  # the signature is the library's
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        problems = []
        if self.events_url == "postgres://" and not self.is_postgres:
            problems.append("EVENTS_URL: 'postgres://' needs a DATABASE_URL of PostgreSQL")
        if self.auth_mode == "gateway" and not self.trusted_proxies:
            problems.append("AUTH_MODE: 'gateway' needs TRUSTED_PROXIES, the addresses of the gateway")
        if self.uses_bucket and not (self.s3_access_key and self.s3_secret_key):
            name = "STORAGE_URL" if self.storage_url.startswith("s3:") else "S3_BUCKET"
            problems.append(f"{name}: a bucket needs S3_ACCESS_KEY and S3_SECRET_KEY")
        if problems:
            raise ValueError("\n".join(problems))
        return self

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

    @property
    def is_postgres(self) -> bool:
        return self.database_url.startswith("postgresql")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be meant, but had better be said aloud at start."""
        found = []
        if self.auth_mode == "open" and not _is_loopback(self.api_host):
            found.append(f"AUTH_MODE is open and {self.api_host} reachable from outside: every file is everyone's")
        if self.durability != "ack":
            found.append(f"DURABILITY is {self.durability}: a crash can lose what was acknowledged")
        if self.auth_mode == "gateway" and any(network.prefixlen == 0 for network in self.trusted_proxies):
            found.append("TRUSTED_PROXIES has every address: anybody can claim to be anyone")
        return tuple(found)

    def shown(self) -> dict[str, str]:
        """Every variable and its effective value as it could be written in ``.env``, secrets masked."""
        effective = {name: _shown(value) for name, value in self if value is not None}
        effective["storage_url"] = f"volume://{self.storage_path}"
        if bucket := self.bucket:
            endpoint = f"endpoint={bucket.endpoint}&" if bucket.endpoint else ""
            effective["storage_url"] = f"s3://{bucket.name}?{endpoint}region={bucket.region}"
            effective["storage_path"] = ""
        for name in ("max_upload_size", "max_chunk_size", "max_file_size", "image_max_size", "quota_bytes"):
            if (size := getattr(self, name)) is not None:
                effective[name] = format_size(size)
        for name in ("rate_limit", "quota_open_uploads", "quota_bytes"):
            effective.setdefault(name, "none")
        return {name.upper(): effective.get(name, "") for name in type(self).model_fields}


_SECRET_NAMES = frozenset(
    name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)


def load_settings(env: Mapping[str, str] | None = None, dotenv: Path = Path(".env")) -> Settings:
    """Settings from ``env`` (None: this process's own) and, where that is silent, from the file ``dotenv``.

    An empty value counts as unset. Names that are not ours are nobody's business in the environment, but
    in the file they are a slip of the pen.

    Raises:
        SettingsError: with every problem there is.
    """
    environment = os.environ if env is None else env
    written, problems = _read_dotenv(dotenv)
    given = {}
    for field in Settings.model_fields:
        name = field.upper()
        if text := environment.get(name) or written.get(name):
            given[field] = text
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        problems += [line for details in error.errors() for line in _lines(details, given)]
    if problems:
        raise SettingsError(problems)
    return settings


def _read_dotenv(path: Path) -> tuple[dict[str, str], list[str]]:
    known = [name.upper() for name in Settings.model_fields]
    values, problems = {}, []
    try:
        with path.open(encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        return {}, [f"{path}: can't be read ({reason})"]
    for binding in bindings:
        if binding.error or (binding.key and binding.value is None):
            written = binding.original.string
            line = binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
            problems.append(f"{path}, line {line}: not of the form NAME=value")
        elif binding.key and binding.key not in known:
            near = difflib.get_close_matches(binding.key.upper(), known, n=1)
            problems.append(f"{binding.key}: unknown setting in {path}" + (f"; {near[0]}?" if near else ""))
        elif binding.key:
            values[binding.key] = binding.value or ""
    return values, problems


def _lines(details: ErrorDetails, given: Mapping[str, str]) -> list[str]:
    """A problem as the operator reads it: the variable, what it was given, what is allowed."""
    reason = str(details.get("ctx", {}).get("error", details["msg"]))
    if not details["loc"]:
        return reason.splitlines()
    if details["type"] == "bool_parsing":
        reason = "allowed: 1 or 0"
    elif details["type"] != "value_error":
        reason = "allowed: " + reason.removeprefix("Input should be ").removeprefix("a valid ")
    field = str(details["loc"][0])
    name = field.upper()
    text = "(hidden)" if name in _SECRET_NAMES else repr(mask_secrets(given.get(field, "")))
    return [f"{name}: {text if len(text) <= 80 else text[:79] + '…'} is not possible; {reason}"]


def _shown(value: object) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, bool):
        return str(int(value))
    return "***" if isinstance(value, SecretStr) else mask_secrets(str(value))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
