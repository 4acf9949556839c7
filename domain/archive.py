"""Files that are downloaded together, by a link that is good for an hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.access import Principal
from domain.ids import FileId

ARCHIVE_LIFE = timedelta(hours=1)
MAX_ARCHIVED = 10_000
"""Files in one archive: what is known of each is at hand while it is downloaded."""


@dataclass(frozen=True, slots=True)
class Archive:
    """``digest``: of what its link shows. ``maker``: whose rights decide, whoever follows the link."""

    digest: str
    maker: Principal
    name: str
    file_ids: Sequence[FileId]
    expires_at: datetime
