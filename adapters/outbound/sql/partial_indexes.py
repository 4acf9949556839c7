"""Those indexes of the tables that hold some rows only: uploads that are open, left no file or are watched under
another id than their own; files that are listed, share their bytes, have a SHA-256 or none, or will go; jobs that are
to be done or have been given up; details that cleanup looks for.

Apart, because naming ``postgresql_where`` makes SQLAlchemy load its PostgreSQL dialect, 3 MiB, and a server
needs to know of no index.
"""

from sqlalchemy import Index, text

from adapters.outbound.sql.instruction_tables import IS_LEFT, IS_UNDER_WAY, instruction_details
from adapters.outbound.sql.tables import (
    IS_DEAD,
    IS_DIGESTED,
    IS_EXPIRING,
    IS_LISTED,
    IS_OPEN,
    IS_RESTORABLE,
    IS_SHARING,
    IS_TO_BE_DONE,
    IS_UNDIGESTED,
    IS_UNFOLDED,
    IS_UNMEASURED,
    IS_WATCHED,
    LEFT_NO_FILE,
    files,
    jobs,
    metadata,
    uploads,
)

__all__ = ["metadata"]

for _name, _columns, _some in (
    ("uploads_open_owner", [uploads.c.owner, uploads.c.created_at], IS_OPEN),
    ("uploads_open_expires_at", [uploads.c.expires_at], IS_OPEN),
    ("uploads_open_unmeasured", [uploads.c.owner], IS_UNMEASURED),
    ("uploads_no_file_updated_at", [uploads.c.updated_at], LEFT_NO_FILE),
    ("uploads_watched", [uploads.c.watch_id], IS_WATCHED),
    ("files_sharing", [files.c.blob_key], IS_SHARING),
    ("files_digested", [files.c.owner, files.c.sha256], IS_DIGESTED),
    ("files_undigested", [files.c.created_at, files.c.id], IS_UNDIGESTED),
    ("files_listed", [files.c.created_at, files.c.id], IS_LISTED),
    ("files_listed_owner", [files.c.owner, files.c.created_at, files.c.id], IS_LISTED),
    ("files_listed_name", [files.c.owner, files.c.folded_name, files.c.id], IS_LISTED),
    ("files_listed_size", [files.c.owner, files.c.size, files.c.id], IS_LISTED),
    ("files_unfolded", [files.c.id], IS_UNFOLDED),
    ("files_expiring", [files.c.expires_at], IS_EXPIRING),
    ("files_restorable", [files.c.restorable_until], IS_RESTORABLE),
    ("instruction_details_left", [instruction_details.c.finished_at, instruction_details.c.id], IS_LEFT),
    ("instruction_details_under_way", [instruction_details.c.updated_at, instruction_details.c.id], IS_UNDER_WAY),
    ("jobs_dead", [jobs.c.created_at, jobs.c.id], IS_DEAD),
    ("jobs_kind_due_at", [jobs.c.kind, jobs.c.due_at, jobs.c.id], IS_TO_BE_DONE),
):
    Index(f"ix_{_name}", *_columns, sqlite_where=text(_some), postgresql_where=text(_some))
