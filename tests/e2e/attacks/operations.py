"""What an operator would be made to read in the log, and secrets that everybody knows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from tests.e2e.attacks.besieged import Attack, Besieged, Told, asked
from tests.support.processes.server import run_verb
from tests.support.wire import Header

SETTINGS, LOG = "unit/infrastructure/test_settings.py", "unit/infrastructure/test_logging.py"
FORGED = '","level":"error","message":"forged"}'
_SECRET = (2, "AUTH_JWT_SECRET")


def logged(target: str, *headers: Header) -> Callable[[Besieged], Told]:
    """What came of it in the log shows afterwards, with all else that stands there."""
    return asked("GET", target, *headers)


def started(verb: str = "check-config", **env: str) -> Callable[[Besieged], Told]:
    """The exit code, and the variable that is told of; what it holds is not."""

    def tried(_: Besieged) -> Told:
        with TemporaryDirectory() as folder:
            done = run_verb(verb, data_dir=Path(folder), env=env)
        assert not any(value in done.stdout + done.stderr for name, value in env.items() if "SECRET" in name)
        return done.returncode, done.stderr.splitlines()[-1].partition(":")[0]

    return tried


ATTACKS: Sequence[Attack] = (
    Attack("a line for the log, in the path", logged("/nowhere" + quote(f"\n{FORGED}")), (404, "not_found"), LOG),
    Attack("a line for the log, as it is", logged(f"/nowhere{FORGED}"), (404, "not_found"), LOG),
    Attack(
        "a line for the log, as a request's id", logged("/nowhere", ("X-Request-Id", FORGED)), (404, "not_found"), LOG
    ),
    Attack("colours for the log", logged("/nowhere/%1b[2J%1b]0;x%07"), (404, "not_found"), LOG),
    Attack(
        "a signature for the log",
        logged(f"/files/{'0' * 32}/content?expires=99999999999&signature=hunter2"),
        (403, "link_altered"),
        "e2e/test_visibility.py",
    ),
    Attack(
        "a secret that everybody knows",
        started(AUTH_MODE="jwt", AUTH_JWT_SECRET="change-me-change-me-change-me-42"),
        _SECRET,
        SETTINGS,
    ),
    Attack(
        "a secret from a manual",
        started(AUTH_MODE="jwt", AUTH_JWT_SECRET="your-256-bit-secret-your-256-bit-secret"),
        _SECRET,
        SETTINGS,
    ),
    Attack("a secret of a few letters", started(AUTH_MODE="jwt", AUTH_JWT_SECRET="hunter2"), _SECRET, SETTINGS),
    Attack("a secret of one letter", started(AUTH_MODE="jwt", AUTH_JWT_SECRET="k" * 64), _SECRET, SETTINGS),
    Attack("no secret", started(AUTH_MODE="jwt"), (2, "AUTH_MODE"), SETTINGS),
    Attack(
        "a secret for links that everybody knows",
        started(LINK_SECRET="changeme-changeme-changeme-changeme"),
        (2, "LINK_SECRET"),
        SETTINGS,
    ),
    Attack("anybody's gateway", started(AUTH_MODE="gateway"), (2, "AUTH_MODE"), SETTINGS),
)
