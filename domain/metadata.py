"""What a client says about its file: ordered pairs, kept to the letter, believed in nothing."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from domain.errors import InvalidMetadata

MAX_PAIRS = 64
MAX_BYTES = 16 * 1024
FALLBACK_NAME = "unnamed"
_NO_NAMES = frozenset({"", ".", ".."})  # the last two are folders to whoever saves a file under them
FALLBACK_MEDIA_TYPE = "application/octet-stream"
# They turn the reading direction, so that gpj.exe shows as exe.jpg.
_BIDI_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
# Control characters and line ends; halves of characters, which UTF-8 has not.
_UNPRINTED = frozenset({"Cc", "Zl", "Zp", "Cs"})


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
    def of(cls, *, filename: str, media_type: str | None = None) -> "Metadata":
        pairs: list[tuple[str, bytes | None]] = [("filename", filename.encode("utf-8", "replace"))]
        if media_type:
            pairs.append(("filetype", media_type.encode("utf-8", "replace")))
        return cls(tuple(pairs))

    def text(self, *keys: str) -> str | None:
        """The first of ``keys`` that has a value, as text."""
        values = dict(self.pairs)
        for key in keys:
            if value := values.get(key):
                return value.decode("utf-8", "replace")
        return None

    @property
    def filename(self) -> str:
        """The last segment of the name the client gave, ``displayable``; never a key or a path of ours."""
        return _filename(self)

    @property
    def media_type(self) -> str:
        """The declared media type, or the one that promises nothing."""
        declared = (self.text("filetype", "type", "contentType", "mime_type") or "").strip().lower()
        essence = declared.split(";", 1)[0].strip()
        main, slash, sub = essence.partition("/")
        if slash and _is_token(main) and _is_token(sub) and len(essence) <= 127:
            return essence
        return FALLBACK_MEDIA_TYPE


def displayable(name: str) -> str:
    """Without what nobody sees and what makes a name look like another one."""
    return "".join(
        letter for letter in name if letter not in _BIDI_MARKS and unicodedata.category(letter) not in _UNPRINTED
    )


def named(name: str) -> str:
    """A fallback for what is no name for a file."""
    return FALLBACK_NAME if name.strip() in _NO_NAMES else name


@lru_cache(maxsize=1024)  # every event of an upload tells it
def _filename(metadata: Metadata) -> str:
    name = metadata.text("filename", "name") or ""
    return named(displayable(name.replace("\\", "/").rsplit("/", 1)[-1])[:1024])


def _is_token(text: str) -> bool:
    # RFC 6838 §4.2 restricted-name
    return bool(text) and all(letter.isascii() and (letter.isalnum() or letter in "!#$&-^_.+") for letter in text)
