"""The effective settings: the variables of all capabilities, checked once at start. Read by ``setting_sources.py``."""

from typing import Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from infrastructure.capabilities import CAPABILITIES
from infrastructure.capabilities.chunks import ChunksVariables
from infrastructure.capabilities.core import CoreVariables
from infrastructure.capabilities.database import DatabaseVariables
from infrastructure.capabilities.events import EventsVariables
from infrastructure.capabilities.files import FilesVariables
from infrastructure.capabilities.identity import IdentityVariables
from infrastructure.capabilities.jobs import JobsVariables
from infrastructure.capabilities.links import LinksVariables
from infrastructure.capabilities.observing import ObservingVariables
from infrastructure.capabilities.operating.operations import OperationsVariables
from infrastructure.capabilities.pictures.image_receiver import ImageReceiverVariables
from infrastructure.capabilities.pictures.images import ImagesVariables
from infrastructure.capabilities.room import RoomVariables
from infrastructure.capabilities.storage import StorageVariables
from infrastructure.capabilities.system import SystemVariables
from infrastructure.capabilities.upkeep import UpkeepVariables
from infrastructure.capabilities.web import WebVariables
from infrastructure.capabilities.webhooks import WebhooksVariables
from infrastructure.setting_values import mask_secrets


# Pydantic has the fields of the last one first: so the variables are told and checked from below.
class Settings(
    OperationsVariables,
    FilesVariables,
    LinksVariables,
    WebVariables,
    IdentityVariables,
    UpkeepVariables,
    ImagesVariables,
    ImageReceiverVariables,
    ChunksVariables,
    CoreVariables,
    WebhooksVariables,
    EventsVariables,
    JobsVariables,
    RoomVariables,
    StorageVariables,
    DatabaseVariables,
    ObservingVariables,
    SystemVariables,
):
    """What is in force, for everybody who asks.

    Takes what it is given and never looks at the machine's environment, so that a program that embeds
    Longshore gets what it asked for; ``load_settings`` is what reads the environment.
    """

    @classmethod  # the signature is the library's
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if misfits := [line for capability in CAPABILITIES for line in capability.misfits(self)]:
            raise ValueError("\n".join(misfits))
        return self

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be meant, but had better be said aloud at start."""
        return tuple(line for capability in CAPABILITIES for line in capability.warnings(self))

    def shown(self) -> dict[str, str]:
        """Every variable and its effective value as it could be written in ``.env``, secrets masked."""
        shown = {name.upper(): "" if value is None else str(value) for name, value in self.model_dump().items()}
        return {name: mask_secrets(text) if "://" in text else text for name, text in shown.items()}
