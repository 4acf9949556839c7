"""What is done now and then, beside the requests: ending what is left, telling what was not told."""

from collections.abc import Iterable
from datetime import timedelta

from infrastructure.capabilities.core import CoreParts
from infrastructure.capability import Capability, Variables
from infrastructure.chores import Chore
from infrastructure.setting_values import Duration

_RECONCILE_SECONDS = 60.0
_ANNOUNCE_SECONDS = 5.0
_DIGEST_SECONDS = 60.0
_BIN_SECONDS = 10.0


class UpkeepVariables(Variables):
    cleanup_interval: Duration = timedelta(minutes=30)
    cleanup_after: Duration = timedelta(hours=1)


def _chores(parts: CoreParts, settings: UpkeepVariables) -> Iterable[Chore]:
    core = parts.core()
    yield Chore(work=core.reconcile.run, seconds=_RECONCILE_SECONDS, at_once=True)
    yield Chore(work=core.reconcile.announce, seconds=_ANNOUNCE_SECONDS)
    yield Chore(work=core.cleanup.run, seconds=settings.cleanup_interval.total_seconds())
    yield Chore(work=core.file_ending.run, seconds=_BIN_SECONDS, at_once=True)
    yield Chore(work=core.digests.run, seconds=_DIGEST_SECONDS, pause=core.digests.pause)


UPKEEP = Capability(variables=UpkeepVariables, chores=_chores)
