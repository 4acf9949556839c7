"""What a capability may bring, each in one file of ``capabilities``; who walks the tuple there knows nothing more."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from dependency_injector import containers, providers
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.inbound.http.engine.exchange import Resource
from adapters.inbound.http.engine.handlers import Handler
from application.jobs import JobHandler
from application.worker import Worker
from domain.errors import Unavailable
from domain.finding import Finding
from domain.job import JobsOf
from domain.measures import Family
from infrastructure.chores import Chore
from ports.health import HealthCheck


class CannotStart(Exception):
    """One clear line for the operator."""


@contextmanager
def starting() -> Iterator[None]:
    """Within it, to find that something is away is such a line, too."""
    try:
        yield
    except Unavailable as error:
        raise CannotStart(f"cannot start: {error.detail or error.code}{_reason(error)}") from error


def _reason(error: Unavailable) -> str:
    """What the driver said, if one did: a wrong name and a wrong port look alike otherwise."""
    if error.__cause__ is None:
        return ""
    said = str(getattr(error.__cause__, "orig", None) or error.__cause__).partition("\n")[0]
    return f": {said.rpartition('>: ')[2]}" if said else ""


class Variables(BaseSettings):
    """What an operator can set of it: each field is the variable of the same name in capitals; sizes are in bytes."""

    # Only what is asked for values is built: all of them together, by ``Settings``.
    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class Parts(containers.DeclarativeContainer):
    """What it is made of. A part may need those of another capability: by its class, as ``CoreParts.uploads``."""

    settings: providers.Dependency[Variables] = providers.Dependency(instance_of=Variables)


def late(module: str, name: str) -> Callable[..., Any]:
    """A class that is imported when one of it is made: for a technology that is large, and that many do without."""

    def make(*given: object, **by_name: object) -> object:
        # Not importlib's import_module: of that `python -X importtime` does not tell.
        return getattr(__import__(module, fromlist=[name]), name)(*given, **by_name)

    return make


of = Parts.settings.provided
"""The effective settings, one of which a part may need: ``of.max_upload_size``."""


AllParts = Any
"""The container: mypy does not see through it, so what is called names the class of the parts that it asks for."""
AllSettings = Any
"""The effective settings: as above, by the class of the variables."""


Measured = Callable[[], Sequence[Family]]
"""Figures of /metrics; asked for at once, so it is quick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Bring what you have. What is called may know of the ``parts`` and ``variables`` of its own file, and of those
    that these build on, though it is given all there are."""

    variables: type[Variables] | None = None
    misfits: Callable[[AllSettings], Iterable[str]] = lambda _: ()
    """A line for each setting that can't go with another: the start is refused."""
    warnings: Callable[[AllSettings], Iterable[str]] = lambda _: ()
    """What may be meant, but had better be said aloud at start."""
    before_serving: Callable[[AllSettings], object] = lambda _: None
    """What only a server needs, looked at before anything is opened or changed; raises CannotStart."""
    parts: Sequence[type[Parts]] = ()
    opened: Callable[[AllParts, AllSettings], AbstractAsyncContextManager[object]] = lambda *_: nullcontext()
    """Its start and its end; raises CannotStart. Ends come in the reverse order of the tuple."""
    resources: Callable[[AllParts], Iterable[Resource]] = lambda _: ()
    """What it serves as exchanges: bodies that stream."""
    handlers: Callable[[AllParts], Iterable[Handler]] = lambda _: ()
    """What it serves as Tornado's handlers: what has no end, as sockets and streams of events."""
    chores: Callable[[AllParts, AllSettings], Iterable[Chore]] = lambda *_: ()
    """What is done again and again, as long as the server runs."""
    jobs: Callable[[AllParts], Iterable[JobHandler]] = lambda _: ()
    """Who does the jobs of the kinds that it brings, in a server or in a worker apart."""
    jobs_of: Callable[[AllParts], JobsOf | None] = lambda _: None
    """What jobs it wants written with an event."""
    workers: Callable[[AllParts], Iterable[Worker]] = lambda _: ()
    """Beside the common one, for jobs of which no others are to wait; they run where that does."""
    documents: Sequence[str] = ()
    """Modules that say, in the words of OpenAPI and AsyncAPI, what its paths and channels are; loaded as somebody
    asks."""
    measured: Callable[[AllParts], Iterable[Measured]] = lambda _: ()
    """What it counts."""
    findings: Callable[[AllSettings], Iterable[Finding]] = lambda _: ()
    """What the doctor says of it before anything is opened."""
    opened_to_look: Callable[[AllParts], AbstractAsyncContextManager[object]] = lambda _: nullcontext()
    """Its start and its end for the doctor, who changes nothing."""
    health: Callable[[AllParts], Mapping[str, providers.Provider[HealthCheck]]] = lambda _: {}
    """What it leans on, by the names that /health tells."""
