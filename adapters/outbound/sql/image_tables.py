"""The tables of images, beside the others of ``tables.py``."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, Text

from adapters.outbound.sql.tables import Instant, metadata
from domain.image import ImageStatus

_STATUSES = ", ".join(f"'{status}'" for status in sorted(ImageStatus))

# Pictures among the files, and what has been drawn of them.
images = Table(
    "images",
    metadata,
    Column("id", String(32), ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
    Column("watch_id", Text, nullable=False),
    Column("status", String(16), CheckConstraint(f"status IN ({_STATUSES})", name="status"), nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

renditions = Table(
    "renditions",
    metadata,
    Column("image_id", String(32), ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("box", Integer, primary_key=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("blob_key", Text, nullable=False),
    Index("ix_renditions_blob_key", "blob_key"),
    sqlite_with_rowid=False,
)

# What the sessions of the image receiver have; a position is given again once its picture is gone.
received_images = Table(
    "received_images",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("file_id", String(32), ForeignKey("files.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("dhash", BigInteger, nullable=False),  # the signed number of the same 64 bits
    Index("ix_received_images_file_id", "file_id"),
    sqlite_with_rowid=False,
)
