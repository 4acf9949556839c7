"""What each owner holds, counted once here and from then on by triggers: a creation need not sum it any more."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_IS_OPEN = "state IN ('ASSEMBLING', 'FAILED', 'PENDING', 'RECEIVING')"
_IS_UNMEASURED = sa.text(f"{_IS_OPEN} AND length IS NULL")

_NEW_FILE = "SELECT NEW.owner, 0, 1, NEW.size WHERE true"
_OLD_FILE = "SELECT OLD.owner, 0, -1, -OLD.size WHERE true"
_NEW_UPLOAD = f"SELECT NEW.owner, 1, NEW.kind <> 'partial', coalesce(NEW.length, 0) WHERE NEW.{_IS_OPEN}"
_OLD_UPLOAD = f"SELECT OLD.owner, -1, -(OLD.kind <> 'partial'), -coalesce(OLD.length, 0) WHERE OLD.{_IS_OPEN}"


def _count(share: str) -> str:
    return f"""
    INSERT INTO usage (owner, open_uploads, files, bytes)
    {share}
    ON CONFLICT (owner) DO UPDATE SET open_uploads = usage.open_uploads + excluded.open_uploads,
        files = usage.files + excluded.files, bytes = usage.bytes + excluded.bytes;"""


_FORGET = """
    DELETE FROM usage WHERE owner = OLD.owner AND open_uploads = 0 AND files = 0;"""

_SQLITE = (
    f"CREATE TRIGGER usage_file_added AFTER INSERT ON files BEGIN{_count(_NEW_FILE)}\nEND",
    f"CREATE TRIGGER usage_file_deleted AFTER DELETE ON files BEGIN{_count(_OLD_FILE)}{_FORGET}\nEND",
    f"CREATE TRIGGER usage_upload_added AFTER INSERT ON uploads BEGIN{_count(_NEW_UPLOAD)}\nEND",
    f"CREATE TRIGGER usage_upload_deleted AFTER DELETE ON uploads BEGIN{_count(_OLD_UPLOAD)}{_FORGET}\nEND",
    f"""CREATE TRIGGER usage_upload_changed AFTER UPDATE OF state, length ON uploads
WHEN (OLD.{_IS_OPEN}) <> (NEW.{_IS_OPEN}) OR OLD.length IS NOT NEW.length
BEGIN{_count(_OLD_UPLOAD)}{_count(_NEW_UPLOAD)}{_FORGET}
END""",
)
_POSTGRESQL = (
    """CREATE OR REPLACE FUNCTION usage_count(whose text, more_open bigint, more_files bigint, more_bytes bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage (owner, open_uploads, files, bytes) VALUES (whose, more_open, more_files, more_bytes)
    ON CONFLICT (owner) DO UPDATE SET open_uploads = usage.open_uploads + excluded.open_uploads,
        files = usage.files + excluded.files, bytes = usage.bytes + excluded.bytes;
    IF more_open < 0 OR more_files < 0 THEN
        DELETE FROM usage WHERE owner = whose AND open_uploads = 0 AND files = 0;
    END IF;
END $$""",
    """CREATE OR REPLACE FUNCTION usage_of_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM usage_count(NEW.owner, 0, 1, NEW.size);
    ELSE
        PERFORM usage_count(OLD.owner, 0, -1, -OLD.size);
    END IF;
    RETURN NULL;
END $$""",
    f"""CREATE OR REPLACE FUNCTION usage_of_uploads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.{_IS_OPEN}) = (NEW.{_IS_OPEN}) AND OLD.length IS NOT DISTINCT FROM NEW.length THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.{_IS_OPEN} THEN
        PERFORM usage_count(OLD.owner, -1, CASE OLD.kind WHEN 'partial' THEN 0 ELSE -1 END, -coalesce(OLD.length, 0));
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.{_IS_OPEN} THEN
        PERFORM usage_count(NEW.owner, 1, CASE NEW.kind WHEN 'partial' THEN 0 ELSE 1 END, coalesce(NEW.length, 0));
    END IF;
    RETURN NULL;
END $$""",
    """CREATE CONSTRAINT TRIGGER usage_file AFTER INSERT OR DELETE ON files
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION usage_of_files()""",
    """CREATE CONSTRAINT TRIGGER usage_upload AFTER INSERT OR DELETE OR UPDATE OF state, length ON uploads
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION usage_of_uploads()""",
)

_COUNT_ALL = """
INSERT INTO usage (owner, open_uploads, files, bytes)
SELECT owner, sum(open_uploads), sum(files), sum(bytes) FROM (
    SELECT owner, 0 AS open_uploads, 1 AS files, size AS bytes FROM files
    UNION ALL
    SELECT owner, 1, CASE kind WHEN 'partial' THEN 0 ELSE 1 END, coalesce(length, 0) FROM uploads
    WHERE state IN ('ASSEMBLING', 'FAILED', 'PENDING', 'RECEIVING')
) AS held GROUP BY owner
"""


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("open_uploads", sa.BigInteger, nullable=False),
        sa.Column("files", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_usage"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_uploads_open_unmeasured",
        "uploads",
        ["owner"],
        sqlite_where=_IS_UNMEASURED,
        postgresql_where=_IS_UNMEASURED,
    )
    # In this order: once there are triggers nobody else writes until we commit, so nothing is missed or counted twice.
    for statement in _SQLITE if op.get_context().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
    op.execute(_COUNT_ALL)


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        for name in ("file_added", "file_deleted", "upload_added", "upload_deleted", "upload_changed"):
            op.execute(f"DROP TRIGGER usage_{name}")
    else:
        for table in ("files", "uploads"):
            op.execute(f"DROP FUNCTION usage_of_{table} CASCADE")
        op.execute("DROP FUNCTION usage_count")
    op.drop_index("ix_uploads_open_unmeasured", "uploads")
    op.drop_table("usage")
