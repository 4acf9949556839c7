"""Whose lease may be taken: one of a process that is surely dead, and of nobody else."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from adapters.outbound.sql.locks.process_identity import ProcessIdentity


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Nothing can be opened meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_living_process_is_known_to_be_alive() -> None:
    here = ProcessIdentity.here()
    assert here.knows_alive(ProcessIdentity.here())
    assert not here.knows_dead(ProcessIdentity.here())


def test_a_process_that_ended_is_known_to_be_dead() -> None:
    here = ProcessIdentity.here()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    gone = replace(here, pid=child.pid, instance="other")
    assert here.knows_dead(gone)
    assert not here.knows_alive(gone)


def test_without_a_descriptor_to_look_with_nobody_is_taken_for_dead() -> None:
    here = ProcessIdentity.here()
    other = replace(here, instance="other")
    with no_descriptor_left():
        dead, alive = here.knows_dead(other), here.knows_alive(other)
    assert (dead, alive) == (False, False)
