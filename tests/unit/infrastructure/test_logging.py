"""Log lines: one each, readable by machines and people, and nothing a client sends can forge or leak."""

import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn

import pytest
import structlog

from infrastructure.logging import configure_logging

FORGED = "x\n2026-11-20T00:00:00Z [critical ] all is lost\r\x1b[31m\u202e\u2028end"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Whatever a test configures ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configured(format_: Literal["console", "json"], level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level, format_, stream=stream)
    return stream


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().split("\n") if line]


def fail(error: Exception) -> NoReturn:
    raise error


def test_a_json_line_has_what_a_machine_asks_for() -> None:
    stream = configured("json")
    with structlog.contextvars.bound_contextvars(request_id="r1", upload_id="u1"):
        structlog.get_logger("longshore.test").info("stored", size=5)
    (line,) = written(stream)
    moment = datetime.fromisoformat(line.pop("timestamp"))
    assert moment.utcoffset() == timedelta(0)
    assert line == {
        "message": "stored",
        "level": "info",
        "logger": "longshore.test",
        "request_id": "r1",
        "upload_id": "u1",
        "size": 5,
    }


@pytest.mark.parametrize("name", ["tornado.access", "tornado.application", "asyncio", "sqlalchemy.pool", "application"])
def test_the_loggers_of_libraries_and_of_the_core_go_the_same_way(name: str) -> None:
    stream = configured("json")
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        logging.getLogger(name).warning("of %s", name, extra={"upload_id": "u1"})
    (line,) = written(stream)
    assert (line["message"], line["logger"], line["request_id"], line["upload_id"]) == (
        f"of {name}",
        name,
        "r1",
        "u1",
    )


def test_warnings_go_the_same_way() -> None:
    stream = configured("json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", stacklevel=1)
    (line,) = written(stream)
    assert "old" in line["message"]


def test_below_the_level_nothing_is_written() -> None:
    stream = configured("json", "WARNING")
    structlog.get_logger("longshore").info("no")
    logging.getLogger("longshore").info("no")
    assert stream.getvalue() == ""


def test_statements_with_their_values_are_not_logged_even_in_debug() -> None:
    stream = configured("json", "DEBUG")
    logging.getLogger("sqlalchemy.engine").info("INSERT …")
    logging.getLogger("alembic.runtime").debug("executing …")
    structlog.get_logger("longshore").debug("yes")
    assert [line["message"] for line in written(stream)] == ["yes"]


def test_configuring_twice_writes_once() -> None:
    configured("console")
    stream = configured("json")
    logging.getLogger("x").warning("once")
    assert len(written(stream)) == 1


@pytest.mark.parametrize("format_", ["console", "json"])
@pytest.mark.parametrize("log", [structlog.get_logger("a"), logging.getLogger("a")])
def test_no_value_forges_a_line_or_steers_the_terminal(format_: Literal["console", "json"], log: Any) -> None:
    stream = configured(format_)
    with structlog.contextvars.bound_contextvars(request_id=FORGED):
        log.warning(FORGED)
        log.warning("of %s", FORGED)
    structlog.get_logger("b").warning("stored", filename=FORGED, many=[FORGED], more={FORGED: FORGED}, data=b"\n\x1b")
    text = stream.getvalue()
    assert len(text.splitlines()) == 3
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", text)


def test_a_message_within_a_traceback_does_not_look_like_a_line_of_ours() -> None:
    stream = configured("console")
    try:
        fail(ValueError(FORGED))
    except ValueError:
        structlog.get_logger("a").exception("failed")
        logging.getLogger("a").exception("failed")
    lines = stream.getvalue().split("\n")
    assert sum(line.startswith("    ValueError") for line in lines) == 2
    assert sum(bool(re.match(r"\d{4}-", line)) for line in lines) == 2
    assert "\x1b" not in stream.getvalue()


def test_a_traceback_is_part_of_its_json_line() -> None:
    stream = configured("json")
    try:
        fail(ValueError("bad"))
    except ValueError:
        structlog.get_logger("a").exception("failed")
    (line,) = written(stream)
    assert "ValueError: bad" in line["exception"]


@pytest.mark.parametrize("format_", ["console", "json"])
def test_secrets_are_never_written(format_: Literal["console", "json"]) -> None:
    stream = configured(format_)
    log = structlog.get_logger("a")
    log.info("connecting to postgresql://root:hunter2@h/db")
    log.info("x", url="postgresql+asyncpg://root:hunter2@h/db", link="/files/1/content?expires=1&signature=hunter2")
    log.info("x", Authorization="Bearer hunter2", cookie="hunter2", password="hunter2", link_secret="hunter2")
    log.info(
        "x",
        headers={"Authorization": "Bearer hunter2", "Cookie": "hunter2"},
        line="Authorization: Bearer hunter2",
    )
    log.info("x", rows=[{"password": "hunter2"}])
    logging.getLogger("b").info("got %s", "Bearer hunter2")
    try:
        fail(ConnectionError("can't reach postgresql://root:hunter2@h/db"))
    except ConnectionError:
        log.exception("away")
    text = stream.getvalue()
    assert text.count("***") >= 8
    # The traceback shows this file's source line, whose literal is masked as well.
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("told", "written_as"),
    [
        ("provide a bearer token", "provide a bearer token"),
        ("a bearer token. Or none", "a bearer token. Or none"),
        ("Bearer eyJhbGci.eyJzdWIi.c2ln", "Bearer ***"),
        ("Bearer abcdefghijklmnopqrstuvwxyz", "Bearer ***"),
        ("bearer abc-def, x", "bearer ***, x"),
    ],
)
def test_a_word_is_no_secret(told: str, written_as: str) -> None:
    stream = configured("json")
    structlog.get_logger("a").info("refused", detail=told)
    assert written(stream)[0]["detail"] == written_as


def test_what_can_not_be_written_as_json_is_written_as_text() -> None:
    stream = configured("json")
    structlog.get_logger("a").info("x", thing=object(), half="\ud800")
    assert written(stream)[0]["thing"].startswith("<object")


@pytest.mark.parametrize("format_", ["console", "json"])
@pytest.mark.parametrize(
    "told",
    [
        {"path": "/" + "\x01" * 60_000},
        {"detail": "\u202e" * 60_000, "path": "x" * 60_000},
        {"given": {"name" * 15_000: ["\x02" * 60_000] * 20}},
        {"given": ["\x02" * 60] * 1_000},
        {"error": ValueError("\x03" * 60_000)},
        {"exc_info": ValueError("\x04" * 60_000)},
        {"exc_info": ValueError("\x04\n" * 60_000)},
    ],
    ids="-".join,
)
def test_a_line_is_short_however_much_it_is_told(format_: Literal["console", "json"], told: dict[str, object]) -> None:
    stream = configured(format_)
    structlog.get_logger("longshore.test").info("m" * 60_000, **told)
    logging.getLogger("tornado.general").warning("Malformed: %r", "\x05" * 60_000)
    text = stream.getvalue()
    assert "(+" in text
    assert len(text) < 20_000 + ("exc_info" in told) * 5 * 4_000
    if format_ == "json":
        assert len(written(stream)) == 2


def test_what_is_of_common_length_is_told_whole() -> None:
    stream = configured("json")
    path, trace = "/uploads/" + "a" * 400, "b" * 400
    structlog.get_logger("longshore.test").info("refused", path=path, exc_info=ValueError(trace))
    (line,) = written(stream)
    assert line["path"] == path and trace in line["exception"] and "more lines" not in line["exception"]
