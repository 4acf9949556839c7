"""What the server says about itself: lines for people on a terminal, JSON for machines, on standard error.

Loggers are ``structlog.get_logger(__name__)``; what ``structlog.contextvars`` binds (``request_id``,
``upload_id``) goes with every line below it, and so does the id of the trace that it belongs to.
The core has no structlog and uses ``logging`` with ``extra=``.
Whatever comes from outside may be logged as it is: this module makes it harmless, takes secrets out and shortens it,
so that no request makes more of the log than of the network.
"""

import logging
import re
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from application.observing.trace import current_trace

_SECRET_NAME = re.compile(r"(?i)^(?:proxy[-_])?authorization$|cookie$|password|secret|credential|token$|signature$")
_SECRET_TEXTS = (
    re.compile(r"(?<=://)(?P<user>[^\s/:@]*):[^\s/@]+(?=@)"),  # postgresql://user:password@host
    # A short word of letters alone is prose ("a bearer token"), unless a token goes on behind it.
    re.compile(r"(?i)(?<=bearer )(?![a-z]{1,12}\.?(?:[^\w.~+/=-]|$))[\w.~+/=-]+"),
    re.compile(r"(?i)(?<=[?&]signature=)[^&\s]+"),
)
# Control characters, and those that end a line or turn the reading direction.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNPRINTABLE_BUT_NEWLINE = re.compile(_UNPRINTABLE.pattern.replace(r"\x00-\x1f", r"\x00-\x09\x0b-\x1f"))

# Of what is longer the rest is counted. As JSON each letter may take six.
_MAX_TEXT = 500
_MAX_TRACE_LINES = 200

# At the level where ours are useful they would log each statement with its values, each step of their own.
_CHATTERS = ("sqlalchemy", "asyncio", "alembic")


def configure_logging(
    level: str = "INFO", format_: Literal["console", "json"] | None = None, *, stream: TextIO | None = None
) -> None:
    """Send every logger of this process to ``stream`` (standard error); may be called again.

    ``format_``: None is ``console`` on a terminal, else ``json``.
    """
    stream = stream or sys.stderr
    on_terminal = stream.isatty()
    as_console = (format_ or ("console" if on_terminal else "json")) == "console"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _hide_secrets,
        _shorten,
    ]
    if as_console:
        last += [
            _make_printable,
            structlog.dev.ConsoleRenderer(colors=on_terminal, exception_formatter=structlog.dev.plain_traceback),
        ]
    else:
        # The rest of ASCII-only JSON can't be misread, whatever is in it.
        last += [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(default=str)]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()], processors=last)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in _CHATTERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if (trace := current_trace()) is not None:
        event["trace_id"] = trace.trace_id
    return event


def _hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: "***" if _SECRET_NAME.search(name) else _without_secrets(value) for name, value in event.items()}


def _without_secrets(value: object) -> object:
    if isinstance(value, str):
        for secret in _SECRET_TEXTS:
            value = secret.sub(lambda found: f"{found.groupdict().get('user', '')}:***".lstrip(":"), value)
        return value
    if isinstance(value, dict):
        return {
            name: "***" if _SECRET_NAME.search(str(name)) else _without_secrets(item) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    return value


def _shorten(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    trace = event.pop("exception", None)
    shortened: EventDict = {name: _shortened(value) for name, value in event.items()}
    if trace is not None:
        lines = [_shortened_text(line) for line in str(trace).split("\n")]
        left_out = [f"  … ({len(lines) - _MAX_TRACE_LINES} more lines)"] if len(lines) > _MAX_TRACE_LINES else []
        shortened["exception"] = "\n".join(left_out + lines[-_MAX_TRACE_LINES:])  # what happened is told last
    return shortened


def _shortened(value: object) -> object:
    """As it is, if it is short."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _shortened_text(value)
    text = repr(value)
    return value if len(text) <= _MAX_TEXT else _shortened_text(text)


def _shortened_text(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… (+{len(text) - _MAX_TEXT})"


def _make_printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Nothing in a value may end its line, colour the terminal or run backwards."""
    trace = event.pop("exception", None)
    printable: EventDict = {_escaped(name): _printable(value) for name, value in event.items()}
    if trace is not None:
        # A message within a traceback may hold newlines: indented, none of its lines looks like one of ours.
        lines = _UNPRINTABLE_BUT_NEWLINE.sub(_escape, str(trace)).split("\n")
        printable["exception"] = "\n".join("    " + line for line in lines)
    return printable


def _printable(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return _escaped(value if isinstance(value, str) else repr(value))


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
