"""How many there are of what a database keeps."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.job import JobState
from domain.upload_state import UploadState


@dataclass(frozen=True, slots=True)
class Count:
    uploads: Mapping[UploadState, int]
    """Those that are open; a state that none is in may be missing."""
    files: int
    file_bytes: int
    """Files that share their bytes count each."""
    jobs: Mapping[tuple[str, JobState], int]
    """By their kind and state; those that are done are not kept."""
