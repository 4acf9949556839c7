"""Ids from the system's source of secrets. Contract: tests/contract/test_id_generator.py. Why: docs/decisions/0050."""

import secrets
import time

from ports.id_generator import IdGenerator

_ALIKE_BYTES = 6  # a million million seconds until one comes again, and 80 bits of an id are its own


class SystemIdGenerator(IdGenerator):
    def __init__(self, *, moment_seconds: float = 1.0) -> None:
        """``moment_seconds``: for how long ids begin alike."""
        self._moment_seconds = moment_seconds
        self._beginning = ""
        self._until = 0.0

    def new(self) -> str:
        now = time.monotonic()
        if now >= self._until:
            self._beginning, self._until = secrets.token_hex(_ALIKE_BYTES), now + self._moment_seconds
        return self._beginning + secrets.token_hex(16 - _ALIKE_BYTES)

    def secret(self) -> str:
        return secrets.token_hex(16)
