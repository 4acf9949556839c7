"""Instructions and their details."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_PARTIAL = {
    "left": (["finished_at", "id"], "is_own AND NOT is_cleaned AND finished_at IS NOT NULL"),
    "under_way": (["updated_at", "id"], "status IN ('PENDING', 'PROCESSING')"),
}


def upgrade() -> None:
    op.create_table(
        "instructions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("product_id", sa.String(32), nullable=False),
        sa.Column("product_key", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instructions"),
    )
    op.create_index("ix_instructions_owner_created_at_id", "instructions", ["owner", "created_at", "id"])
    op.create_table(
        "instruction_details",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("output_id", sa.String(32), nullable=False),
        sa.Column("instruction_id", sa.String(32), nullable=False),
        sa.Column("input_file_id", sa.String(32), nullable=False),
        sa.Column("input_name", sa.Text, nullable=False),
        sa.Column("input_media_type", sa.Text, nullable=False),
        sa.Column("input_size", sa.BigInteger, nullable=False),
        sa.Column("is_own", sa.Boolean, nullable=False),
        sa.Column("is_cleaned", sa.Boolean, nullable=False),
        sa.Column("output_file_id", sa.String(32)),
        sa.Column("output_name", sa.Text),
        sa.Column("output_media_type", sa.Text),
        sa.Column("output_size", sa.BigInteger),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("started_at", _INSTANT),
        sa.Column("finished_at", _INSTANT),
        sa.CheckConstraint("status IN ('DONE', 'FAILED', 'PENDING', 'PROCESSING')", name="status"),
        sa.ForeignKeyConstraint(
            ["instruction_id"],
            ["instructions.id"],
            name="fk_instruction_details_instruction_id_instructions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_instruction_details"),
    )
    for columns in (["output_id"], ["instruction_id", "created_at"], ["input_file_id"]):
        op.create_index(f"ix_instruction_details_{'_'.join(columns)}", "instruction_details", columns)
    for name, (columns, some) in _PARTIAL.items():
        op.create_index(
            f"ix_instruction_details_{name}",
            "instruction_details",
            columns,
            sqlite_where=sa.text(some),
            postgresql_where=sa.text(some),
        )


def downgrade() -> None:
    for table in ("instruction_details", "instructions"):
        op.drop_table(table)
