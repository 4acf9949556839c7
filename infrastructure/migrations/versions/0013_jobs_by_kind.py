"""Jobs have a payload, and are found kind by kind."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_IS_TO_BE_DONE = sa.text("state IN ('QUEUED', 'RUNNING')")


def upgrade() -> None:
    # With a default, for servers of the version before still add rows during a rolling deploy.
    op.add_column("jobs", sa.Column("payload", sa.Text, nullable=False, server_default=sa.text("''")))
    _index("ix_jobs_kind_due_at", ["kind", "due_at", "id"])
    op.drop_index("ix_jobs_due_at", "jobs")


def downgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("payload")
    op.drop_index("ix_jobs_kind_due_at", "jobs")
    _index("ix_jobs_due_at", ["due_at", "id"])


def _index(name: str, columns: list[str]) -> None:
    op.create_index(name, "jobs", columns, sqlite_where=_IS_TO_BE_DONE, postgresql_where=_IS_TO_BE_DONE)
