"""starter.py is a door, not a room."""

import ast

from tests.architecture.source import ROOT, Module

_STARTER = Module(ROOT / "starter.py")


def test_the_starter_imports_only_the_command_line() -> None:
    assert _STARTER.imports == {"infrastructure.cli"}


def test_the_starter_defines_nothing() -> None:
    definitions = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
    assert [node for node in ast.walk(_STARTER.tree) if isinstance(node, definitions)] == []
