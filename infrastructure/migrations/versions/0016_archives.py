"""Archives of files, and the CRC-32 that each file has in them."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("files", sa.Column("crc32", sa.BigInteger))
    op.create_table(
        "archives",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("is_admin", sa.Boolean, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("file_ids", sa.Text, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_archives"),
    )
    op.create_index("ix_archives_expires_at", "archives", ["expires_at"])


def downgrade() -> None:
    op.drop_table("archives")
    op.drop_column("files", "crc32")
