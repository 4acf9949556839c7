"""What must be true after any fault: nothing acknowledged is lost, every file is right, and there is one of
each.

The checks look from outside (HTTP) and underneath (files on the volume, rows in SQLite), never at the
server's code. They don't know how the volume names its files: a file is recognised by its content.
"""

import hashlib
import http.client
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.chaos.rig.client import TUS, ResumingUpload, ask
from tests.chaos.rig.content import BLOCK


def lost_promises(url: str, uploads: Iterable[ResumingUpload]) -> list[str]:
    """One line per upload of which the server knows fewer bytes than it has acknowledged."""
    lost = []
    for upload in uploads:
        if not upload.location:
            continue
        answer = ask(url, "HEAD", upload.location, TUS)
        offset = int(answer.header("upload-offset") or 0) if answer.status == 200 else -1
        if offset < upload.promised:
            lost.append(f"{upload.location}: {upload.promised} acknowledged, HEAD {answer.status} says {offset}")
    return lost


def lost_bytes(volume: Path, uploads: Iterable[ResumingUpload]) -> list[str]:
    """One line per upload whose acknowledged bytes are not in any one file of the volume."""
    by_start: dict[bytes, list[Path]] = {}
    for path in _files(volume):
        by_start.setdefault(_beginning(path), []).append(path)
    lost = []
    for upload in uploads:
        # The first 16 bytes of a content name it (content.py); a prefix shorter than that is not worth a
        # search.
        if upload.promised < 16:
            continue
        candidates = by_start.get(upload.content.read(0, 16), [])
        if not any(_holds(path, upload) for path in candidates):
            lost.append(f"{upload.location}: no file holds its {upload.promised} acknowledged bytes")
    return lost


def wrong_content(url: str, uploads: Iterable[ResumingUpload], *, within: float = 10) -> list[str]:
    """One line per upload that cannot be downloaded with the right SHA-256.

    ``within``, for all of them together, is for the reconciler: after a restart it may still be finishing
    what a crash left half done.
    """
    wrong = []
    deadline = time.monotonic() + within
    for upload in uploads:
        status, digest = download(url, upload.location)
        while status != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
            status, digest = download(url, upload.location)
        if status != 200:
            wrong.append(f"{upload.location}: GET answered {status}")
        elif digest != upload.content.sha256:
            wrong.append(f"{upload.location}: {upload.content.length} bytes came back different")
    return wrong


def download(url: str, path: str) -> tuple[int, str]:
    """Status and SHA-256 of a GET, in constant memory."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=60)
    digest = hashlib.sha256()
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        while piece := response.read(1 << 20):
            digest.update(piece)
        return response.status, digest.hexdigest()
    finally:
        connection.close()


def doubled_files(volume: Path, uploads: Iterable[ResumingUpload]) -> list[str]:
    """One line per completed upload that lies on the volume not exactly once."""
    wanted = {upload.content.sha256: upload for upload in uploads}
    sizes = {upload.content.length for upload in wanted.values()}
    found: dict[str, list[str]] = {digest: [] for digest in wanted}
    for path in _files(volume):
        if path.stat().st_size in sizes:
            digest = _sha256(path)
            if digest in found:
                found[digest].append(str(path.relative_to(volume)))
    return [f"{wanted[digest].location}: lies at {paths}" for digest, paths in found.items() if len(paths) != 1]


def file_rows(database: Path) -> int:
    """How many files the server's SQLite database lists; it is opened read-only beside the running server."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        count: int = connection.execute("SELECT count(*) FROM files").fetchone()[0]
        return count
    finally:
        connection.close()


def staged_file(volume: Path, upload: ResumingUpload) -> Path:
    """The one file of the volume that begins as the upload does."""
    start = upload.content.read(0, 16)
    found = [path for path in _files(volume) if _beginning(path) == start]
    assert len(found) == 1, f"{upload.location} lies at {found}"
    return found[0]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _holds(path: Path, upload: ResumingUpload) -> bool:
    with path.open("rb") as file:
        return all(file.read(len(block)) == block for block in upload.content.blocks(0, upload.promised))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(16 * BLOCK):
            digest.update(piece)
    return digest.hexdigest()
