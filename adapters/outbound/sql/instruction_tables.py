"""The tables of instructions and their details, beside the others of ``tables.py``."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, String, Table, Text

from adapters.outbound.sql.tables import Instant, metadata
from domain.instruction import DetailStatus

# Written out, not bound: a partial index is used only where its condition can be read in the query.
IS_LEFT = "is_own AND NOT is_cleaned AND finished_at IS NOT NULL"
IS_UNDER_WAY = "status IN ('PENDING', 'PROCESSING')"
_STATUSES = ", ".join(f"'{status}'" for status in sorted(DetailStatus))

instructions = Table(
    "instructions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("product_id", String(32), nullable=False),
    Column("product_key", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_instructions_owner_created_at_id", "owner", "created_at", "id"),
)

# A row is an input and what comes of it. No foreign keys to files: what is told of a file outlives it.
instruction_details = Table(
    "instruction_details",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("output_id", String(32), nullable=False),
    Column("instruction_id", String(32), ForeignKey("instructions.id", ondelete="CASCADE"), nullable=False),
    Column("input_file_id", String(32), nullable=False),
    Column("input_name", Text, nullable=False),
    Column("input_media_type", Text, nullable=False),
    Column("input_size", BigInteger, nullable=False),
    Column("is_own", Boolean, nullable=False),
    Column("is_cleaned", Boolean, nullable=False),
    Column("output_file_id", String(32)),
    Column("output_name", Text),
    Column("output_media_type", Text),
    Column("output_size", BigInteger),
    Column("status", String(16), CheckConstraint(f"status IN ({_STATUSES})", name="status"), nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Index("ix_instruction_details_output_id", "output_id"),
    Index("ix_instruction_details_instruction_id_created_at", "instruction_id", "created_at"),
    Index("ix_instruction_details_input_file_id", "input_file_id"),
)
