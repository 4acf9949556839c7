"""Ended uploads that can be found, to be forgotten; one received range for each complete upload."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_LEFT_NO_FILE = sa.text("(state IN ('ABORTED', 'EXPIRED') OR (state = 'COMPLETED' AND kind = 'partial'))")
# A file has its upload's id.
_SCATTERED = """
    SELECT received_ranges.upload_id FROM received_ranges JOIN files ON files.id = received_ranges.upload_id
    GROUP BY received_ranges.upload_id HAVING count(*) > 1
"""


def upgrade() -> None:
    op.create_index(
        "ix_uploads_no_file_updated_at",
        "uploads",
        ["updated_at"],
        sqlite_where=_LEFT_NO_FILE,
        postgresql_where=_LEFT_NO_FILE,
    )
    op.execute(f"CREATE TEMPORARY TABLE scattered AS {_SCATTERED}")
    op.execute("DELETE FROM received_ranges WHERE upload_id IN (SELECT upload_id FROM scattered)")
    op.execute(
        "INSERT INTO received_ranges (upload_id, range_start, range_end, crc64) "
        "SELECT id, 0, size, crc64 FROM files WHERE size > 0 AND id IN (SELECT upload_id FROM scattered)"
    )
    op.execute("DROP TABLE scattered")


def downgrade() -> None:
    op.drop_index("ix_uploads_no_file_updated_at", "uploads")
