"""What keeps the table ``usage``: triggers, so that it changes with the rows that it counts, in the same transaction.

They also see what an older server writes during a rolling deploy. On PostgreSQL they wait for the commit, or for
``SET CONSTRAINTS``: an owner's row is the last lock that a transaction takes, so nobody waits in a circle.

Take ``metadata`` from here to build tables or to compare them. Why so: docs/decisions/0028.
"""

from sqlalchemy import DDL, event

import adapters.outbound.sql.image_tables  # noqa: F401 -- its tables are added to the others'
from adapters.outbound.sql.partial_indexes import metadata
from adapters.outbound.sql.tables import IS_OPEN, files, uploads, usage

__all__ = ["metadata"]

_NEW_FILE = "SELECT NEW.owner, 0, 1, NEW.size WHERE true"
_OLD_FILE = "SELECT OLD.owner, 0, -1, -OLD.size WHERE true"
_NEW_UPLOAD = f"SELECT NEW.owner, 1, NEW.kind <> 'partial', coalesce(NEW.length, 0) WHERE NEW.{IS_OPEN}"
_OLD_UPLOAD = f"SELECT OLD.owner, -1, -(OLD.kind <> 'partial'), -coalesce(OLD.length, 0) WHERE OLD.{IS_OPEN}"


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
WHEN (OLD.{IS_OPEN}) <> (NEW.{IS_OPEN}) OR OLD.length IS NOT NEW.length
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
    IF TG_OP = 'UPDATE' AND (OLD.{IS_OPEN}) = (NEW.{IS_OPEN}) AND OLD.length IS NOT DISTINCT FROM NEW.length THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.{IS_OPEN} THEN
        PERFORM usage_count(OLD.owner, -1, CASE OLD.kind WHEN 'partial' THEN 0 ELSE -1 END, -coalesce(OLD.length, 0));
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.{IS_OPEN} THEN
        PERFORM usage_count(NEW.owner, 1, CASE NEW.kind WHEN 'partial' THEN 0 ELSE 1 END, coalesce(NEW.length, 0));
    END IF;
    RETURN NULL;
END $$""",
    """CREATE CONSTRAINT TRIGGER usage_file AFTER INSERT OR DELETE ON files
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION usage_of_files()""",
    """CREATE CONSTRAINT TRIGGER usage_upload AFTER INSERT OR DELETE OR UPDATE OF state, length ON uploads
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION usage_of_uploads()""",
)

for _counted in (files, uploads):
    usage.add_is_dependent_on(_counted)  # created before it
for _dialect, _statements in (("sqlite", _SQLITE), ("postgresql", _POSTGRESQL)):
    for _statement in _statements:
        event.listen(usage, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
