"""Notes of blobs that are to be deleted, so that no crash leaves bytes that nothing names."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blob_deletions",
        sa.Column("blob_key", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("blob_key", name="pk_blob_deletions"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("blob_deletions")
