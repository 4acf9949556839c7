"""Each refusal has one code, and each code one HTTP status."""

import inspect
import re
from collections import Counter

import domain.errors
from adapters.inbound.common.errors import STATUS
from domain.errors import LongshoreError
from tests.architecture.source import modules


def _tree(root: type[LongshoreError] = LongshoreError) -> list[type[LongshoreError]]:
    return [root, *(error for child in root.__subclasses__() for error in _tree(child))]


_ERRORS = [error for error in _tree() if error.__module__ == domain.errors.__name__]


def test_every_error_has_a_code_of_its_own() -> None:
    inherited = [error.__name__ for error in _ERRORS if "code" not in vars(error)]
    assert inherited == []
    assert [code for code, times in Counter(error.code for error in _ERRORS).items() if times > 1] == []
    assert [error.code for error in _ERRORS if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", error.code)] == []


def test_every_code_has_a_row_in_the_status_table_and_no_row_is_left_over() -> None:
    assert set(STATUS) == {error.code for error in _ERRORS}


def test_every_status_is_a_refusal() -> None:
    assert {code: status for code, status in STATUS.items() if not 400 <= status <= 599} == {}


def test_an_error_knows_no_http_status() -> None:
    known = [error.__name__ for error in _ERRORS if any("status" in name for name in vars(error))]
    assert known == []


def test_the_drawn_tree_names_every_error() -> None:
    drawing = set(re.findall(r"\w+", inspect.getdoc(domain.errors) or ""))
    assert {error.__name__ for error in _ERRORS} - drawing == set()


def test_the_core_raises_no_errors_of_another_family() -> None:
    """What a use case may raise is in one tree, so that the edge translates all of it."""
    strangers = [
        f"{module.name}.{node.name}"
        for module in modules("domain", "ports", "application")
        if module.name != "domain.errors"
        for node in module.classes
        if any(getattr(base, "id", "").endswith(("Error", "Exception")) for base in node.bases)
    ]
    assert strangers == []
