"""Importing a module only defines things: no settings read, no engine made, no file or socket opened."""

import ast

from tests.architecture.source import PACKAGES, Module, dotted, modules, run_at_import

_CALLS = {
    *(
        "getenv",
        "open",
        "connect",
        "create_engine",
        "create_async_engine",
        "sessionmaker",
        "async_sessionmaker",
    ),
    *(
        "get_event_loop",
        "new_event_loop",
        "create_task",
        "run",
        "Popen",
        "urlopen",
        "mkdir",
        "makedirs",
        "read_text",
    ),
    *(
        "read_bytes",
        "write_text",
        "write_bytes",
        "basicConfig",
        "Thread",
        "ThreadPoolExecutor",
        "ProcessPoolExecutor",
    ),
}
_ENVIRONMENT = {"os.environ", "os.environb", "environ"}


def _environment_or_io(module: Module) -> list[str]:
    found = []
    for node in run_at_import(module.tree):
        if isinstance(node, ast.Call) and (name := dotted(node.func)).rpartition(".")[2] in _CALLS:
            found.append(f"line {node.lineno}: {name}()")
        if isinstance(node, ast.Attribute | ast.Name) and dotted(node) in _ENVIRONMENT:
            found.append(f"line {node.lineno}: {dotted(node)}")
    return found


def test_importing_a_module_touches_nothing_outside() -> None:
    # alembic runs env.py as a program, not as a module
    found = [
        f"{module.name}, {what}"
        for module in modules(*PACKAGES)
        if module.name != "infrastructure.migrations.env"
        for what in _environment_or_io(module)
    ]
    assert found == []


def test_only_the_infrastructure_reads_the_environment() -> None:
    reading = [
        f"{module.name}, line {node.lineno}"
        for module in modules("domain", "ports", "application", "adapters")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute | ast.Name) and dotted(node) in _ENVIRONMENT | {"os.getenv", "getenv"}
    ]
    assert reading == []


def test_this_check_sees_an_engine_in_a_class_body_and_a_default() -> None:
    source = "import os\nclass A:\n    e = sa.create_engine('x')\ndef f(a=os.getenv('B')):\n    return open(a)\n"
    tree = ast.parse(source)
    calls = [dotted(node.func) for node in run_at_import(tree) if isinstance(node, ast.Call)]
    assert calls == ["sa.create_engine", "os.getenv"]
