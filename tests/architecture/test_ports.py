"""Every port is a Protocol that Python enforces, and has one contract suite which all its adapters pass."""

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.architecture.source import ROOT, Module, dotted, modules

# Ports without a suite, each with its reason. Once there is a suite, the line is wrong and a test says so.
_WITHOUT_SUITE = {
    "byte_source": "implemented by the body readers only, which tests/adapters drive over real sockets",
}

# What a technology is called in the ids of a suite's tests: one word of each set must appear.
_IN_TEST_IDS: dict[str, tuple[set[str], ...]] = {
    "memory": ({"memory"},),
    "sql": ({"sqlite"}, {"postgres", "postgresql"}),
    "postgres": ({"postgres", "postgresql"},),
    "volume": ({"volume"},),
}

_PORTS = [module for module in modules("ports") if module.path.name != "__init__.py"]


def _port(module: Module) -> str:
    return module.path.stem


def _protocols(module: Module) -> list[ast.ClassDef]:
    return [node for node in module.classes if "Protocol" in {dotted(base) for base in node.bases}]


def _adapters() -> list[tuple[str, str, str]]:
    """(port, technology, class) for each class in adapters/outbound that inherits a port by name."""
    port_of = {protocol.name: _port(module) for module in _PORTS for protocol in _protocols(module)}
    return [
        (port_of[dotted(base)], module.name.split(".")[2], node.name)
        for module in modules("adapters")
        if module.name.startswith("adapters.outbound.")
        for node in module.classes
        for base in node.bases
        if dotted(base) in port_of
    ]


@pytest.fixture(scope="module")
def collected(request: pytest.FixtureRequest) -> Sequence[str]:
    """The ids of what is run of tests/contract, or would be: to collect it once more takes seconds."""
    ids = [item.nodeid for item in request.session.items]
    files = {id_.partition("::")[0] for id_ in ids}
    is_all = {f"tests/contract/{path.name}" for path in (ROOT / "tests" / "contract").glob("test_*.py")} <= files
    return ids if is_all else _collected().splitlines()


def _collected() -> str:
    """What pytest would run of tests/contract, one test id a line."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/contract"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _words_in_test_ids(port: str, collected: Sequence[str]) -> set[str]:
    words: set[str] = set()
    for line in collected:
        if line.startswith(f"tests/contract/test_{port}.py::") and "[" in line:
            words |= set(line.partition("[")[2].rstrip("]").replace("+", "-").split("-"))
    return words


def test_every_port_file_holds_a_protocol_whose_methods_are_abstract() -> None:
    assert [module.name for module in _PORTS if not _protocols(module)] == []
    concrete = [
        f"{protocol.name}.{method.name}"
        for module in _PORTS
        for protocol in _protocols(module)
        for method in protocol.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        if "abstractmethod" not in {dotted(decorator) for decorator in method.decorator_list}
    ]
    assert concrete == [], "Python would accept an adapter that misses these"


def test_every_port_has_its_contract_suite(collected: Sequence[str]) -> None:
    ports = {_port(module) for module in _PORTS}
    suites = {port for port in ports if (ROOT / "tests" / "contract" / f"test_{port}.py").exists()}
    assert ports - suites - _WITHOUT_SUITE.keys() == set(), "these have none"
    assert suites & _WITHOUT_SUITE.keys() == set(), "these have one now: take them off the list of exceptions"
    files = {line.partition("::")[0] for line in collected}
    empty = [port for port in suites if f"tests/contract/test_{port}.py" not in files]
    assert empty == [], "these suites hold no test"


def test_no_exception_outlives_its_port() -> None:
    assert _WITHOUT_SUITE.keys() <= {_port(module) for module in _PORTS}


def test_every_adapter_runs_in_its_ports_suite(collected: Sequence[str]) -> None:
    adapters = [adapter for adapter in _adapters() if adapter[0] not in _WITHOUT_SUITE]
    assert len(adapters) > len(_PORTS), "this check is blind"
    times = Counter(port for port, *_ in adapters)
    absent = [
        what
        for port, technology, adapter in adapters
        for what in (
            _never_made(port, adapter)
            if times[port] == 1
            else _never_run(port, technology, adapter, _words_in_test_ids(port, collected))
        )
    ]
    assert absent == []


def _never_made(port: str, adapter: str) -> list[str]:
    """Of a port's only adapter: its suite names it."""
    suite = Module(ROOT / "tests" / "contract" / f"test_{port}.py")
    used = {dotted(node.func) for node in ast.walk(suite.tree) if isinstance(node, ast.Call)}
    return [] if adapter in used else [f"{suite.name} never makes a {adapter}"]


def _never_run(port: str, technology: str, adapter: str, words: set[str]) -> list[str]:
    """Of one among several: its technology is among the ``words`` in the ids of the suite's tests."""
    wanted = _IN_TEST_IDS.get(technology, ({technology},))
    return [
        f"tests/contract/test_{port}.py never runs {adapter} ({' or '.join(names)}); it runs {sorted(words)}"
        for names in wanted
        if not names & words
    ]
