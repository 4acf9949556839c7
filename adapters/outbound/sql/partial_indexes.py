"""Those indexes of tables.py that hold open uploads only, or files with or without their SHA-256.

Apart, because naming ``postgresql_where`` makes SQLAlchemy load its PostgreSQL dialect, 3 MiB, and a server
needs to know of no index: take ``metadata`` from here to build tables or to compare them.
"""

from sqlalchemy import Index, text

from adapters.outbound.sql.tables import IS_DIGESTED, IS_OPEN, IS_UNDIGESTED, files, metadata, uploads

__all__ = ["metadata"]

for _name, _columns, _where in (
    ("ix_uploads_open_owner", [uploads.c.owner, uploads.c.created_at], IS_OPEN),
    ("ix_uploads_open_expires_at", [uploads.c.expires_at], IS_OPEN),
    ("ix_files_digested", [files.c.owner, files.c.sha256], IS_DIGESTED),
    ("ix_files_undigested", [files.c.created_at, files.c.id], IS_UNDIGESTED),
):
    Index(_name, *_columns, sqlite_where=text(_where), postgresql_where=text(_where))
