"""Bytes into an open file at a place of their own: the one ``pwrite`` loop of the inbound side."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from domain.checksum import Buffer


async def write_blocks(
    executor: Executor | None, fd: int, blocks: Sequence[bytes], at: int, permit: Callable[[], None]
) -> int:
    """Write the blocks from position ``at`` on, in a thread, if ``permit`` lets each; return their size."""
    writing = asyncio.get_running_loop().run_in_executor(executor, _write, fd, blocks, at, permit)
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])  # the descriptor is the caller's to close, but not under our thread
        raise


def write_block(fd: int, block: Buffer, at: int) -> int:
    """Write all of ``block`` from position ``at`` on, in this thread; return where it ends."""
    view = memoryview(block)
    while view:  # pwrite may write less than asked
        written = os.pwrite(fd, view, at)
        view, at = view[written:], at + written
    return at


def _write(fd: int, blocks: Sequence[bytes], at: int, permit: Callable[[], None]) -> int:
    start = at
    for block in blocks:
        permit()
        at = write_block(fd, block, at)
    return at - start
