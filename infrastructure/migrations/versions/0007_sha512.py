"""What a client says the SHA-512 of the file to come is."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("sha512", sa.LargeBinary))


def downgrade() -> None:
    with op.batch_alter_table("uploads") as uploads:
        uploads.drop_column("sha512")
