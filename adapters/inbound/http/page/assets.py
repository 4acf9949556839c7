"""The page's files in memory, as they are and packed, under a name that changes with any of them."""

import gzip
import hashlib
import mimetypes
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

STATIC_FOLDER = Path(__file__).parent / "static"
_RELEASE = re.compile(r"([0-9a-f]{16})/(.+)")
_PACKED_FROM = 512
_LOOKED_AT_EVERY = 1.0
"""Seconds. An operator changes no file of a running server, but who works on the page does."""


@dataclass(frozen=True)
class Asset:
    content: bytes
    media_type: str

    @cached_property
    def tag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    @cached_property
    def packed(self) -> bytes | None:
        """By gzip; None where that gains nothing."""
        if len(self.content) < _PACKED_FROM:
            return None
        packed = gzip.compress(self.content, mtime=0)
        return packed if len(packed) < len(self.content) else None


class Assets:
    def __init__(self, folder: Path = STATIC_FOLDER) -> None:
        self._folder = folder
        self._looked_at = float("-inf")
        self._changed_at: Mapping[str, int] = {}
        self._known: dict[str, Asset] = {}
        self._release = ""

    @property
    def release(self) -> str:
        """A digest of all of them."""
        self._look()
        if not self._release:
            digest = hashlib.sha256()
            for name in sorted(self._changed_at):
                content = self._read(name).content
                digest.update(f"{name} {len(content)}\n".encode() + content)
            self._release = digest.hexdigest()[:16]
        return self._release

    def split(self, name: str) -> tuple[str | None, str]:
        """The release and the path in what is asked for below ``/static/``."""
        found = _RELEASE.fullmatch(name)
        return (found[1], found[2]) if found else (None, name)

    def find(self, name: str) -> Asset | None:
        self._look()
        return self._read(name) if name in self._changed_at else None

    def page(self, name: str, language: str) -> Asset:
        """A document that names its files by their release, in ``language`` for a start."""
        release = self.release
        key = f"{name} {language}"
        if key not in self._known:
            text = self._read(name).content.decode()
            text = text.replace('"static/', f'"static/{release}/').replace('lang="en"', f'lang="{language}"', 1)
            self._known[key] = Asset(text.encode(), "text/html; charset=utf-8")
        return self._known[key]

    def _read(self, name: str) -> Asset:
        if name not in self._known:
            media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
            charset = "; charset=utf-8" if media_type.startswith("text/") else ""
            self._known[name] = Asset((self._folder / name).read_bytes(), media_type + charset)
        return self._known[name]

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _LOOKED_AT_EVERY:
            return
        self._looked_at = now
        files = (path for path in self._folder.rglob("*") if path.is_file())
        changed_at = {path.relative_to(self._folder).as_posix(): path.stat().st_mtime_ns for path in files}
        if changed_at != self._changed_at:
            self._changed_at, self._known, self._release = changed_at, {}, ""
