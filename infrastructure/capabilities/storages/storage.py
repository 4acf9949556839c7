"""What stands behind a scheme of STORAGE_URL; ``infrastructure/capabilities/storage.py`` lists them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from dependency_injector.providers import Provider

from infrastructure.capability import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    form: str
    """What its URL looks like, for the operator."""
    reads: Callable[[str], bool]
    """Whether a URL has that form. One that only looks so raises ValueError, which says what is allowed."""
    parts: type[Parts]
    chunks: Provider[Any]
    """A ChunkStorage."""
    blobs: Provider[Any]
    """A BlobStorage and HealthCheck, of the bytes that ``chunks`` has sealed."""
    medium: Provider[Any]
    """The same, for looking at."""
    intake: Provider[Any] | None = None
    """A ChunkIntake, for storage that has a quicker way for small chunks."""
    file_intake: Provider[Any] | None = None
    """A FileIntake, the same for small files that come whole."""
    opened: Callable[[Any], AbstractAsyncContextManager[None]]
    """Given the container: starts it, sure that it belongs to this database, and ends it; raises CannotStart."""
    opened_to_look: Callable[[Any], AbstractAsyncContextManager[object]] = lambda _: nullcontext()
    """As ``opened``, where nothing may be changed."""
