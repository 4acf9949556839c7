"""Chunks in any order: leases of byte ranges, and the size of an upload's chunks."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "range_leases",
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("upload_id", sa.String(32), nullable=False),
        sa.Column("generation", sa.String(32), nullable=False),
        sa.Column("range_start", sa.BigInteger, nullable=False),
        sa.Column("range_end", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wanted_by", sa.Text),
        sa.PrimaryKeyConstraint("token", name="pk_range_leases"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_range_leases_upload_id", "range_leases", ["upload_id"])
    op.create_index("ix_range_leases_holder", "range_leases", ["holder"])
    op.add_column("uploads", sa.Column("chunk_size", sa.BigInteger))


def downgrade() -> None:
    with op.batch_alter_table("uploads") as uploads:
        uploads.drop_column("chunk_size")
    op.drop_table("range_leases")
