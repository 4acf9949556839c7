"""Habits that no linter knows: how modules open, what they are called, and that tests mock nothing."""

import ast

import pytest

from tests.architecture.source import PACKAGES, Module, dotted, modules

_VAGUE_MODULES = {"util", "utils", "helper", "helpers", "misc", "manager", "managers"}
_VAGUE_CLASSES = ("Abstract", "Manager", "Impl", "Helper", "Util", "Utils")
_MOCKS = {
    "mock",
    "Mock",
    "MagicMock",
    "AsyncMock",
    "NonCallableMock",
    "PropertyMock",
    "create_autospec",
    "mocker",
}


@pytest.mark.parametrize("module", modules(*PACKAGES), ids=lambda module: module.name)
def test_a_module_opens_with_the_sentence_a_newcomer_needs(module: Module) -> None:
    if module.tree.body:  # an empty __init__.py marks a package and says nothing
        assert ast.get_docstring(module.tree)


@pytest.mark.parametrize("module", modules(*PACKAGES), ids=lambda module: module.name)
def test_names_say_what_a_thing_is(module: Module) -> None:
    assert module.path.stem not in _VAGUE_MODULES
    vague = [node.name for node in module.classes if node.name.startswith("Abstract")]
    vague += [node.name for node in module.classes if node.name.endswith(_VAGUE_CLASSES)]
    assert vague == []


@pytest.mark.parametrize("module", modules("tests"), ids=lambda module: module.name)
def test_tests_mock_nothing(module: Module) -> None:
    """The memory adapters are real and shipped; a test that needs another world gets one of those."""
    assert {name for name in module.imports if name.split(".")[-1] == "mock" or name == "pytest_mock"} == set()
    used = {
        word
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute | ast.Name | ast.alias)
        for word in (node.name if isinstance(node, ast.alias) else dotted(node)).split(".")
    }
    arguments = {node.arg for node in ast.walk(module.tree) if isinstance(node, ast.arg)}
    assert (used | arguments) & _MOCKS == set()
