"""What is written down for bytes that are durable; they count once it is."""

from dataclasses import dataclass, field
from datetime import datetime

from domain.byte_range import Extent
from domain.ids import UploadId
from domain.upload_state import UploadState


@dataclass(frozen=True, slots=True)
class Receipt:
    """One durable stretch, and what it changes about its upload. ``Upload.receipt`` makes it, the ledger commits it,
    ``Upload.count`` then counts it in."""

    upload_id: UploadId
    extent: Extent
    state: UploadState | None = None
    expires_at: datetime | None = None
    folds: bool = False
    """The extent replaces the smaller ones within it, so that a million small chunks don't stay a million rows."""
    new_bytes: int = field(default=0, compare=False)
    """How many came with it; of what is only folded, none."""

    @property
    def is_plain(self) -> bool:
        """Whether it tells of the bytes and of nothing else."""
        return self.state is None and self.expires_at is None and not self.folds
