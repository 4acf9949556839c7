"""What a client says about its file: ordered pairs, kept to the letter, believed in nothing."""

import re
from dataclasses import dataclass
from functools import lru_cache

from domain.errors import InvalidMetadata
from domain.file_name import decoded, file_name, file_path

MAX_PAIRS = 64
MAX_BYTES = 16 * 1024
FALLBACK_MEDIA_TYPE = "application/octet-stream"
_PATH_KEYS = ("relativePath", "webkitRelativePath")  # as Uppy and tus-js-client have it; as browsers do
_ESSENCE = re.compile(r"[a-z0-9!#$&\-^_.+]+/[a-z0-9!#$&\-^_.+]+")  # RFC 6838 §4.2 restricted-name


@dataclass(frozen=True, slots=True)
class Metadata:
    """Pairs in the order sent; a value of None is a key that came without one."""

    pairs: tuple[tuple[str, bytes | None], ...] = ()

    def __post_init__(self) -> None:
        keys = [key for key, _ in self.pairs]
        if len(set(keys)) != len(keys):
            raise InvalidMetadata("a metadata key appears twice")
        if len(keys) > MAX_PAIRS or sum(len(key) + len(value or b"") for key, value in self.pairs) > MAX_BYTES:
            raise InvalidMetadata(f"at most {MAX_PAIRS} metadata pairs and {MAX_BYTES} bytes")

    @classmethod
    def of(cls, *, filename: str, media_type: str | None = None, path: str | None = None) -> "Metadata":
        """Of what was never metadata, so that only what is told again is kept of it."""
        pairs: list[tuple[str, bytes | None]] = [("filename", file_name(filename).encode())]
        if media_type:
            pairs.append(("filetype", media_type.encode("utf-8", "replace")))
        if path := file_path(path or ""):
            pairs.append((_PATH_KEYS[0], path.encode()))
        return cls(tuple(pairs))

    def text(self, *keys: str) -> str | None:
        """The first of ``keys`` that has a value, as text."""
        values = dict(self.pairs)
        for key in keys:
            if value := values.get(key):
                return decoded(value)
        return None

    @property
    def filename(self) -> str:
        """The name the client gave, as ``file_name`` has it."""
        return _filename(self)

    @property
    def path(self) -> str | None:
        """Its place in a folder, as ``file_path`` has it."""
        return file_path(self.text(*_PATH_KEYS) or "")

    @property
    def media_type(self) -> str:
        """The declared media type, or the one that promises nothing."""
        declared = (self.text("filetype", "type", "contentType", "mime_type") or "").strip().lower()
        essence = declared.split(";", 1)[0].strip()
        return essence if _ESSENCE.fullmatch(essence) and len(essence) <= 127 else FALLBACK_MEDIA_TYPE


@lru_cache(maxsize=1024)  # every event of an upload tells it
def _filename(metadata: Metadata) -> str:
    return file_name(metadata.text("filename", "name") or "")
