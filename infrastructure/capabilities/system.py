"""What the machine gives: an address to listen on, a folder to keep things in, the time, names at random."""

import os
import re
import stat
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from dependency_injector import providers
from pydantic import AfterValidator, Field, ValidationInfo

from adapters.outbound.system.clock import SystemClock
from adapters.outbound.system.id_generator import SystemIdGenerator
from domain.finding import Finding, ok, problem
from infrastructure.capability import CannotStart, Capability, Parts, Variables
from infrastructure.setting_values import OrNone, path_in_url, within
from infrastructure.supervision.supervised import Supervised


def parse_listening_host(text: str) -> str:
    text = re.sub(r"\[(.*)\]", r"\1", text)  # an IPv6 address as it stands in URLs
    if not re.fullmatch(r"[0-9A-Za-z_.:%-]{1,255}", text, re.ASCII):
        raise ValueError("allowed: a host name or an IP address to listen on, without scheme or port")
    return text


def _data_dir(path: Path) -> Path:
    return path.expanduser().absolute()


def _at_home(url: str, info: ValidationInfo) -> str:
    return url.replace("{DATA_DIR}", path_in_url(info.data.get("data_dir", Path())))


AtHome = AfterValidator(_at_home)
"""For URLs that may name ``{DATA_DIR}``; its variables come after those here, so they inherit them."""


class SystemVariables(Variables):
    api_host: Annotated[str, AfterValidator(parse_listening_host)] = "127.0.0.1"
    api_port: Annotated[int, within(1, 65535)] = 8888
    processes: OrNone[Annotated[int, within(1, 64)]] = None
    data_dir: Annotated[Path, AfterValidator(_data_dir)] = Field(Path("var"), validate_default=True)

    @property
    def is_several(self) -> bool:
        return (self.processes or 1) > 1


class SystemParts(Parts):
    supervised: providers.Provider[Supervised | None] = providers.Object(None)
    """What a server of several knows of itself; ``infrastructure/startup.py`` hands it in."""
    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(SystemIdGenerator)


@asynccontextmanager
async def _opened(_: SystemParts, settings: SystemVariables) -> AsyncIterator[None]:
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"DATA_DIR: {settings.data_dir} cannot be made: {error.strerror}") from error
    yield


def _findings(settings: SystemVariables) -> Iterable[Finding]:
    folder = settings.data_dir
    if not folder.is_dir():
        return [problem(f"there is no folder {folder} yet: serve makes it")]
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        return [problem(f"anybody on this machine may write in {folder}: chmod o-w")]
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return [problem(f"no right to read and write in {folder}")]
    return [ok(f"the data folder {folder} is ours to write")]


SYSTEM = Capability(variables=SystemVariables, parts=[SystemParts], opened=_opened, findings=_findings)
