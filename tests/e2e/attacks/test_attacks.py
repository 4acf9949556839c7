"""Every attack that we know of, tried on real servers: its exact answer, and at the end nothing has happened.

The rows stand by subject in the modules beside this one; each names the tests that go further into it. What others are
answered on every route is in tests/e2e/rights, what becomes of slow clients in tests/e2e/test_slow_clients.py.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.e2e.attacks import content, framing, limits, links, names, numbers, operations, pages, sockets, tokens
from tests.e2e.attacks.besieged import FRIEND, KEY_ID, LINK_SECRET, Attack, Besieged
from tests.e2e.conftest import ROOMY
from tests.e2e.test_tokens import JWT
from tests.support.processes.server import ServerProcess
from tests.support.tokens import jwk_of, put_keys, rsa_pair
from tests.support.wire import Http

SUBJECTS: Mapping[str, Sequence[Attack]] = {
    module.__name__.rpartition(".")[2]: module.ATTACKS
    for module in (names, numbers, framing, content, sockets, tokens, pages, links, limits, operations)
}
ATTACKS = [(subject, attack) for subject, attacks in SUBJECTS.items() for attack in attacks]
LEAST_ATTACKS = 60
MOST_MIB = 128
_GREETING = re.compile(r"Longshore \S+|  (?:page|API docs|tus endpoint|data folder) +\S+")
_OURS = re.compile(
    r"[0-9a-f]{32}[.\w]*|[0-9a-f-]{36}|\d_[0-9a-f]+\.jpg|[0-9a-f]{2}|[a-z]+|\.longshore\w*|[a-z]+\.(?:db(?:-\w+)?|secret|log)"
)
Listing = Mapping[str, tuple[int, int]]


def listing(folder: Path, *, without: Sequence[Path] = ()) -> Listing:
    """Everything below it, with sizes and times."""
    found = {}
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(here, name) not in without and name != "__pycache__"]
        for name in (*folders, *files):
            about = Path(here, name).lstat()
            found[str(Path(here, name))] = (about.st_size if name in files else 0, about.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    around = tmp_path_factory.mktemp("around")
    keys = around / "keys.json"
    put_keys(keys, jwk_of(rsa_pair(), KEY_ID))
    for bait in ("bait/stolen.txt", "home/bait/stolen.txt", "etc/passwd", "home/files.db"):
        (around / bait).parent.mkdir(parents=True, exist_ok=True)
        (around / bait).write_text("bait")

    def server(name: str, **env: str) -> ServerProcess:
        return ServerProcess(around / "home" / name, {**ROOMY, **env}, log_path=around / f"{name}.log")

    by_keys = {name: value for name, value in JWT.items() if name != "AUTH_JWT_SECRET"}
    with (
        server("open", CORS_ORIGINS=FRIEND) as everyones,
        server(
            "guarded",
            **{**by_keys, "AUTH_JWT_JWKS_FILE": str(keys)},
            LINK_SECRET=LINK_SECRET,
            QUOTA_OPEN_UPLOADS="5",
            QUOTA_BYTES="4MiB",
        ) as guarded,
        server("fronted", AUTH_MODE="gateway", TRUSTED_PROXIES="10.0.0.1", RATE_LIMIT="5/hour") as fronted,
    ):
        yield Besieged(everyones, guarded, fronted, around)


@pytest.fixture(scope="module", autouse=True)
def before(besieged: Besieged) -> Listing:
    return outside(besieged)


def outside(besieged: Besieged) -> Listing:
    """What is none of the servers' to change: the folders around theirs, and the code they run."""
    servers = (besieged.open, besieged.guarded, besieged.fronted)
    logs = {str(server.log_path) for server in servers}
    code = [ROOT / name for name in ("adapters", "application", "domain", "infrastructure", "ports")]
    found = {
        **listing(besieged.around, without=[server.data_dir for server in servers]),
        **{name: about for folder in code for name, about in listing(folder).items()},
    }
    return {name: about for name, about in found.items() if name not in logs}


@pytest.mark.parametrize(("subject", "attack"), ATTACKS, ids=[f"{subject}: {each.what}" for subject, each in ATTACKS])
def test_an_attack_is_answered_as_the_table_has_it(besieged: Besieged, subject: str, attack: Attack) -> None:
    assert attack.tried(besieged) == attack.told


def test_there_are_many_and_each_is_told_once() -> None:
    assert len(ATTACKS) >= LEAST_ATTACKS
    assert len({(subject, attack.what) for subject, attack in ATTACKS}) == len(ATTACKS)


def test_where_a_row_says_that_tests_go_further_there_are_some() -> None:
    named = {attack.deeper for _, attack in ATTACKS if attack.deeper}
    assert sorted(name for name in named if not (ROOT / "tests" / name).is_file()) == []


class TestAfterwards:
    def test_the_servers_are_alive(self, besieged: Besieged) -> None:
        for server in (besieged.open, besieged.guarded, besieged.fronted):
            assert server.exit_code is None
            assert Http(server.port).get("/health").status == 200
        assert besieged.tus.content(besieged.tus.completed(b"as ever")) == b"as ever"

    def test_nothing_outside_their_folders_has_changed(self, besieged: Besieged, before: Listing) -> None:
        assert outside(besieged) == before

    def test_nothing_within_is_called_as_an_attacker_would_have_it(self, besieged: Besieged) -> None:
        for server in (besieged.open, besieged.guarded, besieged.fronted):
            names = {
                part for path in listing(server.data_dir) for part in Path(path).relative_to(server.data_dir).parts
            }
            assert sorted(name for name in names if not _OURS.fullmatch(name)) == []

    def test_their_memory_is_bounded(self, besieged: Besieged) -> None:
        for server in (besieged.open, besieged.guarded, besieged.fronted):
            status = Path(f"/proc/{server.pid}/status").read_text()
            assert int(status.partition("VmHWM:")[2].split()[0]) < MOST_MIB * 1024

    def test_the_log_tells_of_no_fault_and_nothing_that_it_was_told_to(self, besieged: Besieged) -> None:
        for server in (besieged.open, besieged.guarded, besieged.fronted):
            log = server.log()
            lines = [line for line in log.splitlines() if not _GREETING.fullmatch(line)]
            entries = [entry for entry in map(json.loads, lines) if entry["logger"] != "access"]
            assert [entry for entry in entries if entry["level"] in ("error", "critical") or "exception" in entry] == []
            faults = [entry for entry in entries if entry.get("status", 0) >= 500]
            assert [entry for entry in faults if entry["code"] != "unsupported_http_version"] == []
            assert "Traceback" not in log
            assert [entry for entry in entries if entry["message"] == "forged"] == []
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", log)
            assert "hunter2" not in log and LINK_SECRET not in log
            assert not re.search(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", log), "a token"
