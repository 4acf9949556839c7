"""Those indexes of tables.py that hold open uploads only.

Apart, because naming ``postgresql_where`` makes SQLAlchemy load its PostgreSQL dialect, 3 MiB, and a server
needs to know of no index: take ``metadata`` from here to build tables or to compare them.
"""

from sqlalchemy import Index, text

from adapters.outbound.sql.tables import IS_OPEN, metadata, uploads

__all__ = ["metadata"]

for _name, _columns in (("owner", [uploads.c.owner, uploads.c.created_at]), ("expires_at", [uploads.c.expires_at])):
    Index(f"ix_uploads_open_{_name}", *_columns, sqlite_where=text(IS_OPEN), postgresql_where=text(IS_OPEN))
