"""Where in a dropped folder a form's files were: a field before each of them, or all of these first."""

from collections import deque

from adapters.inbound.http.engine.multipart import FormPart
from domain.file_name import decoded

_FIELDS = frozenset({"relativePath", "webkitRelativePath"})
_MAX_BYTES = 16 * 1024
_MOST = 1000


class Places:
    """Of one form. A path that is too long to be one tells nothing."""

    def __init__(self) -> None:
        self._told: deque[str] = deque(maxlen=_MOST)

    @staticmethod
    def is_one(part: FormPart) -> bool:
        return part.name in _FIELDS and not part.filename

    async def read(self, part: FormPart) -> None:
        raw = await part.gather(_MAX_BYTES + 1)
        self._told.append(decoded(raw) if len(raw) <= _MAX_BYTES else "")
        await part.skip()

    def take(self) -> str | None:
        """Of the file that comes now; None where nothing was told."""
        return self._told.popleft() if self._told else None
