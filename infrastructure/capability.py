"""What a capability may bring, each in one file of ``capabilities``; who walks the tuple there knows nothing more."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic_settings import BaseSettings, SettingsConfigDict


class Variables(BaseSettings):
    """What an operator can set of it: each field is the variable of the same name in capitals; sizes are in bytes."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Bring what you have. Each of these is called with all settings, yet may only know its own ``variables``."""

    variables: type[Variables] | None = None
    misfits: Callable[[Any], Iterable[str]] = lambda _: ()
    """A line for each of its settings that can't go with another: the start is refused."""
    warnings: Callable[[Any], Iterable[str]] = lambda _: ()
    """What may be meant, but had better be said aloud at start."""
