"""One module for each line of the table in docs/performance.md, in its order."""

from collections.abc import Callable, Mapping

from benchmarks.figures import Findings
from benchmarks.measurements import (
    p1_large_body,
    p2_durability_cost,
    p3_small_chunks,
    p4_fan_out,
    p4s_subscribe_storm,
    p5_download,
    p6_thumbnails,
    p7_memory,
    p8_completion,
    p9_event_loop,
    p10_processes,
    p11_whole_files,
)
from benchmarks.scale import Scale
from benchmarks.workbench import Workbench

_MODULES = (
    p1_large_body,
    p2_durability_cost,
    p3_small_chunks,
    p4_fan_out,
    p4s_subscribe_storm,
    p5_download,
    p6_thumbnails,
    p7_memory,
    p8_completion,
    p9_event_loop,
    p10_processes,
    p11_whole_files,
)

MEASUREMENTS: Mapping[str, Callable[[Workbench, Scale], Findings]] = {
    module.NAME: module.measure for module in _MODULES
}
TITLES: Mapping[str, str] = {module.NAME: module.TITLE for module in _MODULES}
