"""The tables, for SQLite and PostgreSQL alike; infrastructure/migrations builds them, a test compares.

What builds or compares them takes ``metadata`` from usage_triggers.py, which adds what is missing here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)

from domain.access import Visibility
from domain.job import JobState
from domain.upload_state import OPEN_STATES, UploadKind, UploadState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite keeps it as text of one width, so that text order is time order."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Sorted and compared letter by letter as SQLite does it, and whatever the language of the database.
_Plain = Text().with_variant(Text(collation="C"), "postgresql")


def _listed(words: list[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))


# Written out, not bound: a partial index is used only where its condition can be read in the query.
IS_OPEN = f"state IN ({_listed([*OPEN_STATES])})"
LEFT_NO_FILE = (
    f"(state IN ({_listed([UploadState.ABORTED, UploadState.EXPIRED])}) "
    f"OR (state = '{UploadState.COMPLETED}' AND kind = '{UploadKind.PARTIAL}'))"
)
IS_UNMEASURED = f"{IS_OPEN} AND length IS NULL"
IS_DIGESTED = "sha256 IS NOT NULL"
IS_UNDIGESTED = "sha256 IS NULL"
IS_LISTED = "restorable_until IS NULL"
IS_UNFOLDED = "folded_name IS NULL"
IS_SHARING = "blob_key <> id"  # all others' bytes bear the file's id
IS_WATCHED = "watch_id <> id"  # under an id that the client chose
IS_EXPIRING = "expires_at IS NOT NULL"
IS_RESTORABLE = "restorable_until IS NOT NULL"
IS_DEAD = f"state = '{JobState.DEAD}'"
IS_TO_BE_DONE = f"state IN ({_listed([JobState.QUEUED, JobState.RUNNING])})"


def _access() -> Iterator[Column[Any]]:
    """What an upload carries until its file has it."""
    yield Column(
        "visibility",
        String(16),
        CheckConstraint(f"visibility IN ({_listed([*Visibility])})", name="visibility"),
        nullable=False,
        server_default=Visibility.PRIVATE.value,
    )
    yield Column("credential", Text)
    yield Column("detail", Text)
    yield Column("sha256", LargeBinary)


uploads = Table(
    "uploads",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("watch_id", Text, nullable=False),
    Column(
        "kind",
        String(16),
        CheckConstraint(f"kind IN ({_listed([*UploadKind])})", name="kind"),
        nullable=False,
    ),
    Column(
        "state",
        String(16),
        CheckConstraint(f"state IN ({_listed([*UploadState])})", name="state"),
        nullable=False,
    ),
    Column("length", BigInteger, CheckConstraint("length >= 0", name="length")),
    Column("metadata", Text, nullable=False),
    Column("parts", Text, nullable=False),
    Column("completes_on_request", Boolean, nullable=False, server_default=false()),
    Column("chunk_size", BigInteger),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    *_access(),
    Column("sha512", LargeBinary),
)

# A set that only grows: one row a stretch, so that writers can't overwrite one another.
# crc64 is kept as the signed number of the same 64 bits.
received_ranges = Table(
    "received_ranges",
    metadata,
    Column("upload_id", String(32), ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("range_start", BigInteger, CheckConstraint("range_start >= 0", name="range_start"), primary_key=True),
    Column("range_end", BigInteger, primary_key=True),
    Column("crc64", BigInteger),
    CheckConstraint("range_end > range_start", name="range_end"),
    sqlite_with_rowid=False,
)

files = Table(
    "files",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, CheckConstraint("size >= 0", name="size"), nullable=False),
    Column("crc64", BigInteger),
    Column("blob_key", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    *_access(),
    Column("folded_name", _Plain),  # none, until somebody folds it, of what an older version stores
    Column("path", _Plain),
    Column("expires_at", Instant),
    Column("restorable_until", Instant),
    Column("crc32", BigInteger),
)

# What each owner holds: written by triggers alone (usage_triggers.py), so that it goes with every change of the two
# tables above, whoever makes it. Uploads without a length count here with none.
usage = Table(
    "usage",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("open_uploads", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# One that is done is deleted in the transaction that keeps what came of it. Of one that waits, due_at says since when
# it may be done; of one under way, until when it is its worker's.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column(
        "state",
        String(16),
        CheckConstraint(f"state IN ({_listed([*JobState])})", name="state"),
        nullable=False,
    ),
    Column("attempts", Integer, nullable=False),
    Column("token", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("payload", Text, nullable=False, server_default=text("''")),
    Column("traceparent", Text),
    Index("ix_jobs_subject", "subject"),
)

# Blobs that no file has any more: the row comes with that, and goes once the bytes are gone.
blob_deletions = Table(
    "blob_deletions",
    metadata,
    Column("blob_key", Text, primary_key=True),
    Column("created_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)

# The token is unique so that in PostgreSQL a takeover, which changes it, waits for the ledger's KEY SHARE lock,
# and a renewal, which does not, passes by.
upload_leases = Table(
    "upload_leases",
    metadata,
    Column("upload_id", String(32), primary_key=True),  # no foreign key: a lease may come before its upload
    Column("token", String(32), nullable=False, unique=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("wanted_by", Text),
    Index("ix_upload_leases_holder", "holder"),
    sqlite_with_rowid=False,
)

# The right to write some of an upload's bytes. It stands while the upload's own lease has ``generation`` for its token,
# so that whoever takes the whole upload ends all of these at once.
range_leases = Table(
    "range_leases",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("upload_id", String(32), nullable=False),
    Column("generation", String(32), nullable=False),
    Column("range_start", BigInteger, nullable=False),
    Column("range_end", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("wanted_by", Text),
    Index("ix_range_leases_upload_id", "upload_id"),
    Index("ix_range_leases_holder", "holder"),
    sqlite_with_rowid=False,
)

# Each says once, within seconds, who calls; the row goes as it does. Of the ticket itself there is a digest.
tickets = Table(
    "tickets",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("principal_expires_at", Instant),
    Column("expires_at", Instant, nullable=False),
    Index("ix_tickets_expires_at", "expires_at"),
    sqlite_with_rowid=False,
)

# Files that are downloaded together, for an hour; ``file_ids`` one after the other. Of the link there is a digest.
archives = Table(
    "archives",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("name", Text, nullable=False),
    Column("file_ids", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_archives_expires_at", "expires_at"),
)

# The servers that are here, each by its process identity (adapters/outbound/sql/repositories/shared_rates.py).
servers = Table(
    "servers",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("expires_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)

# What one client has asked of all of them: a JSON array of [seconds since 1970, how many], the oldest first.
rate_windows = Table(
    "rate_windows",
    metadata,
    Column("key", Text, primary_key=True),
    Column("hits", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_rate_windows_expires_at", "expires_at"),
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# What owners have been notified of, for those who come back (ports/notifications.py). No number is given twice,
# whatever was deleted meanwhile.
notifications = Table(
    "notifications",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("owner", Text, nullable=False),
    Column("event_id", String(32), nullable=False),
    Column("event", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_notifications_owner_number", "owner", "number"),
    Index("ix_notifications_event_id", "event_id"),
    Index("ix_notifications_created_at", "created_at"),
    sqlite_autoincrement=True,
)

# What this database and nothing else is: the volume that belongs to it, and the like.
installation = Table(
    "installation",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
