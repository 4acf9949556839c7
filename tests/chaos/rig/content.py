"""Files of any size that are never held in memory: every stretch can be made again from a seed.

Each 64 KiB block begins with its file's seed and its own number, and its body is turned by that number, so
bytes that land in the wrong file or at the wrong place never look right by chance.
"""

import hashlib
import random
from collections.abc import Iterator

BLOCK = 64 * 1024
_HEADER = 16
_TURN = 4099  # odd, so that neighbouring blocks never line up


class Content:
    """``length`` bytes told by ``seed`` alone."""

    def __init__(self, seed: int, length: int) -> None:
        self.seed = seed
        self.length = length
        self._base = random.Random(seed).randbytes(BLOCK) * 2
        self._sha256 = ""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes ``[start, stop)``; less where the file ends before."""
        return b"".join(self.blocks(start, stop))

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes ``[start, stop)`` in pieces of 64 KiB at most."""
        end = self.length if stop is None else min(stop, self.length)
        while start < end:
            number, within = divmod(start, BLOCK)
            upto = min(BLOCK, within + end - start)
            yield self._block(number)[within:upto]
            start += upto - within

    @property
    def sha256(self) -> str:
        if not self._sha256:
            digest = hashlib.sha256()
            for block in self.blocks():
                digest.update(block)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def _block(self, number: int) -> bytes:
        header = self.seed.to_bytes(8, "big") + number.to_bytes(8, "big")
        turn = number * _TURN % BLOCK
        return header + self._base[turn + _HEADER : turn + BLOCK]
