"""What is remembered of uploads that are not over: who comes back after Ctrl-C, a crash or a reboot goes on.

A note is a file in ``$XDG_STATE_HOME/longshore/uploads``, held by a lock as long as its upload is sent; so two
processes that are told to send the same file do not take it from each other.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from longshore.client.errors import SentElsewhere
from longshore.client.local_file import LocalFile

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FORGOTTEN_AFTER_SECONDS = 14 * 24 * 3600.0


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where notes are kept: XDG Base Directory Specification."""
    given = environment.get("XDG_STATE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".local" / "state"
    return base / "longshore" / "uploads"


class Notes:
    """``folder``: None, nothing is remembered."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._is_tidied = False

    def of(self, server: str, file: LocalFile) -> "Note":
        """The note on this file and server; close it when its upload is over or left.

        Raises:
            SentElsewhere: another process has it.
        """
        if self._folder is None:
            return Note(None, None, {})
        path = str(file.path.absolute())
        about = {"server": server, "path": path, "size": file.size, "changed_at": file.changed_at}
        name = hashlib.sha256(f"{server}\0{path}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._tidy(self._folder)
            place = self._folder / f"{name}.json"
            held = os.fdopen(os.open(place, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")
        except OSError:  # a home that can't be written to is no reason not to send
            return Note(None, None, {})
        if fcntl is not None:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                held.close()
                raise SentElsewhere(f"{file.path} is being sent by another process") from None
        return Note(place, held, about)

    def _tidy(self, folder: Path) -> None:
        """Forget what no server remembers any more."""
        if self._is_tidied:
            return
        self._is_tidied = True
        for path in folder.glob("*.json"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _FORGOTTEN_AFTER_SECONDS:
                    path.unlink()


class Note:
    """``url``: of the upload that this very file is under way by, None if there is none. ``stale_url``: of one that was
    begun when the file was another."""

    def __init__(self, place: Path | None, held: IO[str] | None, about: Mapping[str, Any]) -> None:
        self._place = place
        self._held = held
        self._about = about
        told: Any = None
        if held is not None:
            with contextlib.suppress(ValueError):
                told = json.load(held)
        told = told if isinstance(told, dict) else {}
        url = told.get("upload")
        is_same = all(told.get(key) == value for key, value in about.items())
        self.url: str | None = url if is_same and isinstance(url, str) else None
        self.stale_url: str | None = url if not is_same and isinstance(url, str) else None

    def write(self, url: str) -> None:
        self.url = url
        if self._held is not None:
            with contextlib.suppress(OSError):  # a full disk here: then it can't be gone on with, but it can be sent
                self._held.seek(0)
                self._held.truncate()
                json.dump({**self._about, "upload": url}, self._held)
                self._held.flush()
                os.fsync(self._held.fileno())

    def forget(self) -> None:
        self.url = self.stale_url = None
        if self._held is not None:
            with contextlib.suppress(OSError):
                self._held.seek(0)
                self._held.truncate()

    def close(self) -> None:
        """Whoever has nothing more to remember leaves nothing behind."""
        if self._held is None or self._place is None:
            return
        with contextlib.suppress(OSError):
            if os.fstat(self._held.fileno()).st_size == 0:
                self._place.unlink()
        self._held.close()
