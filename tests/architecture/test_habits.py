"""Habits that no linter knows: how modules open, what they are called, and that tests mock nothing."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

from tests.architecture.source import PACKAGES, ROOT, dotted, modules

_MAX_LINES = 350
_MAX_FILES = 20
_LISTS = {"domain.errors"}  # one tree, a class of two lines for each leaf
_INDEXES = {"domain", "ports", "adapters/outbound/memory"}
"""Where each file is one concept, found by its name."""
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
    "pytest_mock",
}
_ANY_MOCK = re.compile("mock|autospec", re.IGNORECASE)  # spares parsing what has no such word in it


def test_a_module_opens_with_the_sentence_a_newcomer_needs() -> None:
    # an empty __init__.py marks a package and says nothing
    silent = [module.name for module in modules(*PACKAGES) if module.tree.body and not ast.get_docstring(module.tree)]
    assert silent == []


def test_rooms_and_folders_have_room() -> None:
    """Past these a room holds two things, and a folder wants walls; why some are as long as they are: decision 0034."""
    long = {module.name for module in modules(*PACKAGES) if module.text.count("\n") > _MAX_LINES}
    assert long - _LISTS == set()
    files = Counter(module.path.parent for module in modules(*PACKAGES) if module.path.name != "__init__.py")
    crowded = {str(folder.relative_to(ROOT)) for folder, count in files.items() if count > _MAX_FILES}
    assert crowded - _INDEXES == set()


def test_names_say_what_a_thing_is() -> None:
    vague = [module.name for module in modules(*PACKAGES) if module.path.stem in _VAGUE_MODULES]
    vague += [
        f"{module.name}.{node.name}"
        for module in modules(*PACKAGES)
        for node in module.classes
        if node.name.startswith("Abstract") or node.name.endswith(_VAGUE_CLASSES)
    ]
    assert vague == []


def test_entities_are_changed_by_their_own_verbs_alone() -> None:
    """Nobody but domain sets a field of an upload: the attributes that anything else sets are of its own objects."""
    fields = _fields("domain.upload", "Upload") - {"owner"}  # a lease has one, too
    assert {"state", "received", "draft"} <= fields
    reached = {
        f"{module.name}:{target.lineno}"
        for module in modules("ports", "application", "adapters", "infrastructure")
        for target in _set_attributes(module.tree)
        if target.attr in fields and dotted(target.value) != "self"
    }
    assert reached == set()


def _fields(module_name: str, class_name: str) -> set[str]:
    (found,) = (
        node
        for module in modules("domain")
        if module.name == module_name
        for node in module.classes
        if node.name == class_name
    )
    return {
        node.target.id for node in found.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _set_attributes(tree: ast.AST) -> Iterator[ast.Attribute]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node


def test_tests_mock_nothing() -> None:
    """The memory adapters are real and shipped; a test that needs another world gets one of those."""
    mocking = {module.name: _mocked(module.tree) for module in modules("tests") if _ANY_MOCK.search(module.text)}
    assert {name: found for name, found in mocking.items() if found} == {}


def test_a_mock_is_recognised() -> None:
    source = "import unittest.mock\nfrom a import Mock as b\nx = a.create_autospec(C)\ndef test(mocker): ...\n'Mock'\n"
    assert _mocked(ast.parse(source)) == {"mock", "Mock", "create_autospec", "mocker"}


def _mocked(tree: ast.AST) -> set[str]:
    """The names of mocks that are imported, called or asked for; those in a text don't count."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.alias):
            names.update(node.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            names.update((node.module or "").split("."))
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names & _MOCKS
