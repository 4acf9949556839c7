"""The states of an upload, and which may follow which.

PENDING → RECEIVING → ASSEMBLING → COMPLETED
any open state → ABORTED | EXPIRED          ASSEMBLING ↔ FAILED (retry)
"""

from collections.abc import Mapping
from enum import StrEnum


class UploadState(StrEnum):
    PENDING = "PENDING"
    RECEIVING = "RECEIVING"
    ASSEMBLING = "ASSEMBLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"

    @property
    def is_open(self) -> bool:
        return self in OPEN_STATES


_S = UploadState
OPEN_STATES = frozenset({_S.PENDING, _S.RECEIVING, _S.ASSEMBLING, _S.FAILED})
NEXT_STATES: Mapping[UploadState, frozenset[UploadState]] = {
    _S.PENDING: frozenset({_S.RECEIVING, _S.ASSEMBLING, _S.ABORTED, _S.EXPIRED}),
    _S.RECEIVING: frozenset({_S.ASSEMBLING, _S.ABORTED, _S.EXPIRED}),
    _S.ASSEMBLING: frozenset({_S.COMPLETED, _S.FAILED, _S.ABORTED, _S.EXPIRED}),
    _S.FAILED: frozenset({_S.ASSEMBLING, _S.ABORTED, _S.EXPIRED}),
    _S.COMPLETED: frozenset(),
    _S.ABORTED: frozenset(),
    _S.EXPIRED: frozenset(),
}


class UploadKind(StrEnum):
    """tus 1.0 §Concatenation: a WHOLE upload becomes a file, PARTIAL ones wait until a FINAL one joins them."""

    WHOLE = "whole"
    PARTIAL = "partial"
    FINAL = "final"
