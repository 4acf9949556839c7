"""The contract suites, for every adapter of a port: ours, and those that are written elsewhere.

A suite is a class of tests. To run one over an adapter of your own, give its module a fixture ``factory`` and inherit
the suite under a name that pytest collects; ``examples/storage_adapter`` does it. What belongs together is given
together: the two storages (``storages.py``), what a database keeps (``stores.py``), both ends of a bus (``buses.py``).
Suites know no technology: they import the domain, the ports, builders and sources of bytes. They run in any asyncio
mode of pytest-asyncio. What only one of our adapters promises is tested beside the suite, in ``tests/contract``.
"""

import pkgutil

import pytest

# So that a failed assertion tells what was compared, wherever the suite is run.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
