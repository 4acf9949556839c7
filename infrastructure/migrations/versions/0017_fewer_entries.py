"""Indexes of few rows in place of those of all: most bytes bear their file's id, most uploads are watched by theirs.

Events are found by their number, so one index of theirs goes; given up jobs have one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_NEW = (
    ("ix_files_sharing", "files", ["blob_key"], "blob_key <> id"),
    ("ix_uploads_watched", "uploads", ["watch_id"], "watch_id <> id"),
    ("ix_jobs_dead", "jobs", ["created_at", "id"], "state = 'DEAD'"),
)
_OLD = (
    ("ix_files_blob_key", "files", "blob_key"),
    ("ix_uploads_watch_id", "uploads", "watch_id"),
    ("ix_outbox_created_at", "outbox", "created_at"),
)


def upgrade() -> None:
    for name, table, columns, where in _NEW:
        # Where there are very many rows somebody may have built it beforehand, while others wrote.
        op.create_index(
            name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where), if_not_exists=True
        )
    for name, table, _ in _OLD:
        op.drop_index(name, table, if_exists=True)


def downgrade() -> None:
    for name, table, column in _OLD:
        op.create_index(name, table, [column])
    for name, table, *_ in _NEW:
        op.drop_index(name, table)
