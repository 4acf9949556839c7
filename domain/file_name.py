"""What a file is called, for display: the client's word for it, without what harms, misleads or is too long."""

import re
import unicodedata

FALLBACK_NAME = "unnamed"
MAX_NAME_BYTES = 255
"""Of UTF-8: what file systems take where the file is saved again."""
MAX_PATH_BYTES = 1024
_NO_PATHS = frozenset({"", "null", "undefined"})  # as JavaScript spells none
_NO_NAMES = frozenset({"", ".", ".."})  # the last two are folders to whoever saves a file under them
# They turn the reading direction, so that gpj.exe shows as exe.jpg.
_BIDI_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
# Control characters and line ends; halves of characters, which UTF-8 has not.
_UNPRINTED = frozenset({"Cc", "Zl", "Zp", "Cs"})
_ENDING = re.compile(r"(?:\.[^.\s]{1,16}){1,2}\Z")
_LONGEST_ENDING = 34
_JOINER = "\u200d"
_SKIN_TONES = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def file_name(told: str) -> str:
    """The last segment of what the client told; never a key or a path of ours."""
    return named(shortened(displayable(told.replace("\\", "/").rsplit("/", 1)[-1])))


def file_path(told: str) -> str | None:
    """Where in the folder that was dropped a file was, its name at the end; ``/`` between, and no way out of it.

    None for what is no such place. At most ``MAX_PATH_BYTES``: the innermost folders go first.
    """
    segments = [shortened(displayable(segment)) for segment in told.replace("\\", "/").split("/")]
    segments = [segment for segment in segments if segment.strip() not in _NO_NAMES]
    if "/".join(segments) in _NO_PATHS:
        return None
    *folders, name = segments
    left, kept = MAX_PATH_BYTES - len(name.encode()), []
    for folder in folders:
        left -= len(folder.encode()) + 1
        if left < 0:
            break
        kept.append(folder)
    return "/".join([*kept, name])


def folded(name: str) -> str:
    """What two names have in common that differ in case alone, or in how their accents are spelt: names are looked for
    and sorted by it."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def decoded(raw: bytes) -> str:
    """What old clients send is Latin-1; hardly any of it could be taken for UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def displayable(name: str) -> str:
    """Without what nobody sees and what makes a name look like another one."""
    if name.isascii() and name.isprintable():
        return name
    return "".join(
        letter for letter in name if letter not in _BIDI_MARKS and unicodedata.category(letter) not in _UNPRINTED
    )


def named(name: str) -> str:
    """A fallback for what is no name for a file."""
    return FALLBACK_NAME if name.strip() in _NO_NAMES else name


def shortened(name: str) -> str:
    """At most ``MAX_NAME_BYTES``, cut between two characters; the ending is kept, for it says what the file is."""
    whole = name.encode()
    if len(whole) <= MAX_NAME_BYTES:
        return name
    found = _ENDING.search(name, max(0, len(name) - _LONGEST_ENDING))
    ending = found[0] if found else ""
    stem = whole[: MAX_NAME_BYTES - len(ending.encode())].decode("utf-8", "ignore")
    end = len(stem)
    while end and (_belongs_to_the_one_before(name[end]) or name[end - 1] == _JOINER):
        end -= 1
    return (stem[:end] or stem) + ending


def _belongs_to_the_one_before(letter: str) -> bool:
    """Accents that are letters of their own (as macOS spells names), and what emoji are put together with."""
    return letter == _JOINER or letter in _SKIN_TONES or unicodedata.category(letter).startswith("M")
