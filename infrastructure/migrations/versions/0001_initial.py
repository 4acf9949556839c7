"""Uploads, their received ranges, files, leases, the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_IS_OPEN = sa.text("state IN ('ASSEMBLING', 'FAILED', 'PENDING', 'RECEIVING')")
_KINDS = "kind IN ('final', 'partial', 'whole')"
_STATES = "state IN ('ABORTED', 'ASSEMBLING', 'COMPLETED', 'EXPIRED', 'FAILED', 'PENDING', 'RECEIVING')"


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("watch_id", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("length", sa.BigInteger),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("parts", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.CheckConstraint(_KINDS, name=op.f("ck_uploads_kind")),
        sa.CheckConstraint(_STATES, name=op.f("ck_uploads_state")),
        sa.CheckConstraint("length >= 0", name=op.f("ck_uploads_length")),
    )
    op.create_index("ix_uploads_watch_id", "uploads", ["watch_id"])
    for name, columns in (("owner", ["owner", "created_at"]), ("expires_at", ["expires_at"])):
        op.create_index(f"ix_uploads_open_{name}", "uploads", columns, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN)

    op.create_table(
        "received_ranges",
        sa.Column("upload_id", sa.String(32), nullable=False),
        sa.Column("range_start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("range_end", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("crc64", sa.BigInteger),
        sa.PrimaryKeyConstraint("upload_id", "range_start", "range_end", name="pk_received_ranges"),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name="fk_received_ranges_upload_id_uploads", ondelete="CASCADE"
        ),
        sa.CheckConstraint("range_start >= 0", name=op.f("ck_received_ranges_range_start")),
        sa.CheckConstraint("range_end > range_start", name=op.f("ck_received_ranges_range_end")),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "files",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("crc64", sa.BigInteger),
        sa.Column("blob_key", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sa.CheckConstraint("size >= 0", name=op.f("ck_files_size")),
    )
    op.create_index("ix_files_owner_size", "files", ["owner", "size"])

    op.create_table(
        "upload_leases",
        sa.Column("upload_id", sa.String(32), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("wanted_by", sa.Text),
        sa.PrimaryKeyConstraint("upload_id", name="pk_upload_leases"),
        sa.UniqueConstraint("token", name="uq_upload_leases_token"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_upload_leases_holder", "upload_leases", ["holder"])

    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"])

    op.create_table(
        "installation",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_installation"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("installation", "outbox", "upload_leases", "files", "received_ranges", "uploads"):
        op.drop_table(table)
