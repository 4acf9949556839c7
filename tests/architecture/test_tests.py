"""What drives whole servers (chaos, e2e) stays there: the other tests share what lies in tests/support."""

from tests.architecture.source import ROOT, modules
from tests.conftest import LONGEST, TOGETHER

_OF_WHOLE_SERVERS = ("tests.chaos", "tests.e2e")


def test_only_tests_of_whole_servers_know_their_folders() -> None:
    others = [module for module in modules("tests") if not module.name.startswith(_OF_WHOLE_SERVERS)]
    found = {module.name: {name for name in module.imports if name.startswith(_OF_WHOLE_SERVERS)} for module in others}
    assert {name: strangers for name, strangers in found.items() if strangers} == {}
    assert {"adapters", "contract", "support", "unit"} <= {name for module in others for name in module.path.parts}


def test_the_longest_files_are_there() -> None:
    named = [*LONGEST, *TOGETHER, *(name for others in TOGETHER.values() for name in others)]
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []


def test_what_is_serial_lies_where_it_is_looked_for() -> None:
    """``make test`` collects nothing else when their turn comes."""
    marked = [path for path in (ROOT / "tests").rglob("*.py") if "pytest.mark." + "serial" in path.read_text()]
    assert {path.relative_to(ROOT / "tests").parts[0] for path in marked} == {"chaos"}
    assert "SERIAL := tests/chaos\n" in (ROOT / "Makefile").read_text()
