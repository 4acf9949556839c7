"""The ``chaos`` marker, for ``-m chaos`` and ``-m "not chaos"``."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "chaos: kills, power cuts and broken disks, on real processes")
