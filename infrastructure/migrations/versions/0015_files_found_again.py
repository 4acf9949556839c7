"""Files that are found again: what their lists are sorted by, their place in a folder, when they end.

Names of what is stored already are folded by a chore (``FileRepository.fold_names``), and so are those that servers of
the version before go on to add.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_PLAIN = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_IS_LISTED = "restorable_until IS NULL"
_INDEXES = (
    ("ix_files_listed", ["created_at", "id"], _IS_LISTED),
    ("ix_files_listed_owner", ["owner", "created_at", "id"], _IS_LISTED),
    ("ix_files_listed_name", ["owner", "folded_name", "id"], _IS_LISTED),
    ("ix_files_listed_size", ["owner", "size", "id"], _IS_LISTED),
    ("ix_files_unfolded", ["id"], "folded_name IS NULL"),
    ("ix_files_expiring", ["expires_at"], "expires_at IS NOT NULL"),
    ("ix_files_restorable", ["restorable_until"], "restorable_until IS NOT NULL"),
)


def upgrade() -> None:
    op.add_column("files", sa.Column("folded_name", _PLAIN))
    op.add_column("files", sa.Column("path", _PLAIN))
    op.add_column("files", sa.Column("expires_at", _INSTANT))
    op.add_column("files", sa.Column("restorable_until", _INSTANT))
    for name, columns, where in _INDEXES:
        op.create_index(name, "files", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.drop_index("ix_files_owner_size", "files")


def downgrade() -> None:
    op.create_index("ix_files_owner_size", "files", ["owner", "size"])
    for name, _, _ in _INDEXES:
        op.drop_index(name, "files")
    for column in ("restorable_until", "expires_at", "path", "folded_name"):
        op.drop_column("files", column)
