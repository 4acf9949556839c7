"""Who may open a file, what is told with it, and its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_IS_DIGESTED = sa.text("sha256 IS NOT NULL")
_IS_UNDIGESTED = sa.text("sha256 IS NULL")


def upgrade() -> None:
    for table in ("uploads", "files"):
        # Written out: SQLite adds a column with its check, but no check to a column; and building uploads anew would
        # take the received ranges with it. With a default, for servers of the version before still add rows.
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN visibility VARCHAR(16) DEFAULT 'private' NOT NULL"
            f" CONSTRAINT ck_{table}_visibility CHECK (visibility IN ('private', 'public'))"
        )
        op.add_column(table, sa.Column("credential", sa.Text))
        op.add_column(table, sa.Column("detail", sa.Text))
        op.add_column(table, sa.Column("sha256", sa.LargeBinary))
    op.create_index("ix_files_blob_key", "files", ["blob_key"])
    for name, columns, where in (
        ("ix_files_digested", ["owner", "sha256"], _IS_DIGESTED),
        ("ix_files_undigested", ["created_at", "id"], _IS_UNDIGESTED),
    ):
        op.create_index(name, "files", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name in ("ix_files_undigested", "ix_files_digested", "ix_files_blob_key"):
        op.drop_index(name, "files")
    for table in ("files", "uploads"):
        with op.batch_alter_table(table) as altered:
            altered.drop_constraint(op.f(f"ck_{table}_visibility"), type_="check")
            for column in ("sha256", "detail", "credential", "visibility"):
                altered.drop_column(column)
