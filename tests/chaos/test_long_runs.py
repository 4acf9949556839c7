"""``make thrash`` and ``make soak``, for minutes: CI runs these (``make test-crowds``)."""

from pathlib import Path

import pytest

from tests.chaos.crowd.soak import SETTINGS, soak
from tests.chaos.crowd.thrash import thrash
from tests.chaos.rig.cluster import running
from tests.support.processes.nats import NatsMissing
from tests.support.processes.postgres import PostgresMissing
from tests.support.processes.s3 import S3Missing
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require

pytestmark = [pytest.mark.chaos, pytest.mark.long, pytest.mark.serial]


@pytest.mark.timeout(600)
def test_a_cluster_loses_nothing_while_its_processes_are_killed_and_its_services_cut_off(tmp_path: Path) -> None:
    try:
        with running(tmp_path) as cluster:
            report = thrash(cluster, seconds=60, clients=40)
    except (NatsMissing, PostgresMissing, S3Missing) as missing:
        require("a cluster", str(missing))
    print(report.table())
    assert report.failed == []


@pytest.mark.timeout(600)
def test_nothing_is_left_over_by_a_crowd_of_all_kinds(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", SETTINGS, migrates=True) as server:
        report = soak(server, seconds=120, clients=40)
    print(report.table())
    assert report.failed == []
