"""Those indexes of tables.py that hold some uploads only: the open ones, and those that left no file.

Apart, because naming ``postgresql_where`` makes SQLAlchemy load its PostgreSQL dialect, 3 MiB, and a server
needs to know of no index: take ``metadata`` from here to build tables or to compare them.
"""

from sqlalchemy import Index, text

from adapters.outbound.sql.tables import IS_OPEN, LEFT_NO_FILE, metadata, uploads

__all__ = ["metadata"]

for _name, _columns, _some in (
    ("open_owner", [uploads.c.owner, uploads.c.created_at], IS_OPEN),
    ("open_expires_at", [uploads.c.expires_at], IS_OPEN),
    ("no_file_updated_at", [uploads.c.updated_at], LEFT_NO_FILE),
):
    Index(f"ix_uploads_{_name}", *_columns, sqlite_where=text(_some), postgresql_where=text(_some))
