"""Every port is a Protocol that Python enforces, and has one contract suite which all its adapters pass."""

import ast
import os
import subprocess
import sys
from functools import cache

import pytest

from tests.architecture.source import ROOT, Module, dotted, modules

# Ports without a suite, each with its reason. Once there is a suite, the line is wrong and a test says so.
_WITHOUT_SUITE = {
    "byte_source": "implemented by the body readers only, which tests/adapters drive over real sockets",
    "token_verifier": "has no adapter before AUTH_MODE=jwt",
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


@cache
def _collected() -> str:
    """What pytest would run of tests/contract, one test id a line."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/contract"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _words_in_test_ids(port: str) -> set[str]:
    words: set[str] = set()
    for line in _collected().splitlines():
        if line.startswith(f"tests/contract/test_{port}.py::") and "[" in line:
            words |= set(line.partition("[")[2].rstrip("]").replace("+", "-").split("-"))
    return words


@pytest.mark.parametrize("module", _PORTS, ids=_port)
def test_a_port_file_holds_a_protocol_whose_methods_are_abstract(module: Module) -> None:
    protocols = _protocols(module)
    assert protocols, f"{module.name} defines no Protocol"
    concrete = [
        f"{protocol.name}.{method.name}"
        for protocol in protocols
        for method in protocol.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        if "abstractmethod" not in {dotted(decorator) for decorator in method.decorator_list}
    ]
    assert concrete == [], "Python would accept an adapter that misses these"


@pytest.mark.parametrize("port", [_port(module) for module in _PORTS])
def test_every_port_has_its_contract_suite(port: str) -> None:
    suite = ROOT / "tests" / "contract" / f"test_{port}.py"
    if port in _WITHOUT_SUITE:
        assert not suite.exists(), f"{port} has a suite now: take it off the list of exceptions"
        return
    assert suite.exists(), f"{suite.relative_to(ROOT)} is missing"
    assert f"tests/contract/test_{port}.py::" in _collected(), "the suite holds no test"


def test_no_exception_outlives_its_port() -> None:
    assert set(_WITHOUT_SUITE) <= {_port(module) for module in _PORTS}


@pytest.mark.parametrize(("port", "technology", "adapter"), _adapters())
def test_every_adapter_runs_in_its_ports_suite(port: str, technology: str, adapter: str) -> None:
    if port in _WITHOUT_SUITE:
        return
    if [other for other, *_ in _adapters()].count(port) == 1:
        suite = Module(ROOT / "tests" / "contract" / f"test_{port}.py")
        used = {dotted(node.func) for node in ast.walk(suite.tree) if isinstance(node, ast.Call)}
        assert adapter in used, f"{suite.name} never makes a {adapter}"
        return
    wanted = _IN_TEST_IDS.get(technology, ({technology},))
    words = _words_in_test_ids(port)
    absent = [names for names in wanted if not names & words]
    assert absent == [], f"tests/contract/test_{port}.py never runs {adapter}; it runs {sorted(words)}"
