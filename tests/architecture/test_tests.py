"""What tests share lies in tests/support, so that hardly a kind of test needs another kind's folder."""

from tests.architecture.source import ROOT, Module, modules

_KINDS = {"adapters", "architecture", "chaos", "contract", "e2e", "unit"}
_OF_WHOLE_SERVERS = {"chaos", "e2e"}  # these two know the same clients


def _kind(dotted: str) -> str:
    """``e2e`` of ``tests.e2e.tus``; empty for everything that all share or that is no test's."""
    top, _, rest = dotted.partition(".")
    kind = rest.partition(".")[0]
    return kind if top == "tests" and kind in _KINDS else ""


def _strangers(module: Module) -> list[str]:
    kind = _kind(module.name)
    known = {"", kind} | (_OF_WHOLE_SERVERS if kind in _OF_WHOLE_SERVERS else set())
    return [name for name in module.imports if _kind(name) not in known]


def test_no_kind_of_test_imports_from_another() -> None:
    found = {module.name: strangers for module in modules("tests") if (strangers := _strangers(module))}
    assert found == {}


def test_this_check_knows_every_folder_of_tests() -> None:
    folders = {module.path.relative_to(ROOT / "tests").parts[0] for module in modules("tests")}
    assert {name for name in folders if not name.endswith(".py")} == {*_KINDS, "support"}
