"""What a process that nobody asks for metrics has done: a line of its log for each job, with its time."""

import structlog

from adapters.outbound.memory.metrics import MemoryMetrics

log = structlog.get_logger(__name__)


class JobLog(MemoryMetrics):
    def job_ended(self, kind: str, outcome: str, seconds: float) -> None:
        super().job_ended(kind, outcome, seconds)
        log.info("job", kind=kind, outcome=outcome, seconds=round(seconds, 3))
