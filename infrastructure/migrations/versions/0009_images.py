"""Images with their thumbnails, what image sessions have received, and jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_IS_TO_BE_DONE = "state IN ('QUEUED', 'RUNNING')"


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("watch_id", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.CheckConstraint("status IN ('DONE', 'ERROR', 'NEW', 'PROCESSING')", name="status"),
        sa.ForeignKeyConstraint(["id"], ["files.id"], name="fk_images_id_files", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
    )
    op.create_table(
        "renditions",
        sa.Column("image_id", sa.String(32), nullable=False),
        sa.Column("box", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("blob_key", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name="fk_renditions_image_id_images", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_id", "box", name="pk_renditions"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_renditions_blob_key", "renditions", ["blob_key"])
    op.create_table(
        "received_images",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("file_id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("dhash", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name="fk_received_images_file_id_files", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("owner", "user_id", "session_id", "position", name="pk_received_images"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_received_images_file_id", "received_images", ["file_id"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.CheckConstraint("state IN ('DEAD', 'QUEUED', 'RUNNING')", name="state"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index(
        "ix_jobs_due_at",
        "jobs",
        ["due_at", "id"],
        sqlite_where=sa.text(_IS_TO_BE_DONE),
        postgresql_where=sa.text(_IS_TO_BE_DONE),
    )
    op.create_index("ix_jobs_subject", "jobs", ["subject"])


def downgrade() -> None:
    for table in ("jobs", "received_images", "renditions", "images"):
        op.drop_table(table)
