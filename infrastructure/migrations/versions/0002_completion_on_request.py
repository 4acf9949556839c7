"""Uploads that are complete when their client says so."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a default, for servers of the version before still add rows during a rolling deploy.
    op.add_column("uploads", sa.Column("completes_on_request", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("uploads") as uploads:
        uploads.drop_column("completes_on_request")
