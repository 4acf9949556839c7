"""The core can be taken elsewhere: the standard library and pydantic do, and the domain asks no clock."""

import ast
import subprocess
import sys

from tests.architecture.source import CORE, ROOT, modules

# pydantic and what it is made of
_WITH_PYDANTIC = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}

# Time, ids and randomness come from ports; bytes and sockets are the adapters' business.
_NOT_IN_THE_CORE = {
    *(
        "glob",
        "http",
        "io",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "selectors",
        "shutil",
        "signal",
    ),
    *("socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid"),
}
_NOT_IN_THE_DOMAIN = _NOT_IN_THE_CORE | {"asyncio", "concurrent", "contextvars", "logging", "queue", "sched"}

_ALLOWED = {
    "domain": sys.stdlib_module_names - _NOT_IN_THE_DOMAIN | {"domain"},
    "ports": sys.stdlib_module_names - _NOT_IN_THE_CORE | {"domain", "ports"},
    "application": sys.stdlib_module_names - _NOT_IN_THE_CORE | {"domain", "ports", "application", "pydantic"},
}

_CLOCKS = {"now", "utcnow", "today"}

_IMPORT_ALL = """
import importlib, importlib.abc, sys
sys.path.insert(0, {root!r})

class OnlyTheCore(importlib.abc.MetaPathFinder):
    allowed = sys.stdlib_module_names | set({allowed!r})

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.allowed:
            raise ModuleNotFoundError("No module named " + repr(name) + " beside the core", name=name)

sys.meta_path.insert(0, OnlyTheCore())
for name in {names!r}:
    importlib.import_module(name)
for name in ("tornado", "sqlalchemy", "awscrt"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        continue
    sys.exit(name + " could be imported: this test is blind")
"""


def test_the_core_imports_only_what_each_layer_may() -> None:
    found = {module.name: module.imported_packages - _ALLOWED[module.package] for module in modules(*CORE)}
    assert {name: strangers for name, strangers in found.items() if strangers} == {}


def test_rules_and_use_cases_are_told_the_time() -> None:
    asked = [
        f"{module.name}, line {node.lineno}"
        for module in modules("domain", "application")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CLOCKS
        if isinstance(node.func.value, ast.Name) and node.func.value.id in ("datetime", "date")
    ]
    assert asked == []


def test_the_domain_has_nothing_async() -> None:
    waiting = ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith
    found = [module.name for module in modules("domain") for node in ast.walk(module.tree) if isinstance(node, waiting)]
    assert found == []


def test_the_core_imports_where_only_pydantic_is_installed() -> None:
    program = _IMPORT_ALL.format(
        root=str(ROOT),
        allowed=sorted(_WITH_PYDANTIC | set(CORE)),
        names=[module.name for module in modules(*CORE)],
    )
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
