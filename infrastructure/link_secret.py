"""The secret that signs download links: the operator's, or one made once for this data folder."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from adapters.outbound.volume.volume import sync_folder

_NAME = "link.secret"
_BYTES = 32


class BadSecret(Exception):
    """One clear line for the operator; the secret itself is not in it."""


def link_secret(data_dir: Path, given: SecretStr | None) -> bytes:
    """Blocks for a moment: a file is read, at the first start written.

    Raises:
        BadSecret: the file is others' to read, or holds something else.
        OSError
    """
    if given is not None:
        return given.get_secret_value().encode()
    path = data_dir / _NAME
    if not path.exists():
        _make(path)
    return _read(path)


def _make(path: Path) -> None:
    """Write it whole or not at all; of two servers that start at once, one's secret stands."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, secrets.token_hex(_BYTES).encode() + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)
    with suppress(FileExistsError):  # the other server's: it stands
        os.link(draft, path)
    draft.unlink()
    sync_folder(path.parent)


def _read(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
            raise BadSecret(f"others on this machine may read {path}: delete it, a new one is made")
        secret = os.read(fd, 4096).strip()
    finally:
        os.close(fd)
    if len(secret) != 2 * _BYTES:
        raise BadSecret(f"{path} does not hold what was written into it: delete it, a new one is made")
    return secret
