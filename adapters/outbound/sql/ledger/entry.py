"""What the ledger's writers are given: a receipt, and the lease that it stands or falls with."""

from dataclasses import dataclass

from adapters.outbound.sql.crc64 import signed
from domain.ids import UploadId
from domain.receipt import Receipt
from domain.upload_state import NEXT_STATES, UploadState


@dataclass(frozen=True, slots=True)
class Entry:
    """One receipt under the lease that it was written for."""

    receipt: Receipt
    token: str
    is_of_range: bool = False
    """Whether the lease is one of a byte range."""

    @property
    def lease(self) -> tuple[UploadId, str]:
        return self.receipt.upload_id, self.token


def range_row(entry: Entry) -> tuple[UploadId, int, int, int | None]:
    extent = entry.receipt.extent
    return entry.receipt.upload_id, extent.range.start, extent.range.end, signed(extent.crc64)


def before(state: UploadState) -> list[str]:
    """The states that ``state`` may follow: a receipt that comes late moves nothing backwards."""
    return sorted(earlier.value for earlier, later in NEXT_STATES.items() if state in later)
