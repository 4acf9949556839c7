"""The links that are handed out: where they begin, and what signs those that open a file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from dependency_injector import providers
from pydantic import AfterValidator

from adapters.inbound.http.files.links import Links
from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from infrastructure.capabilities.system import SystemVariables
from infrastructure.capability import CannotStart, Capability, Parts, of
from infrastructure.link_secret import BadSecret, link_secret
from infrastructure.setting_values import StrongSecret, ascii_url, is_web_address


def _public_url(text: str) -> str:
    if not text:
        return ""
    if not is_web_address(text):
        raise ValueError("allowed: http:// or https://, a host, perhaps a port and a path")
    return ascii_url(text.rstrip("/"))


class LinksVariables(SystemVariables):
    public_url: Annotated[str, AfterValidator(_public_url)] = ""
    link_secret: StrongSecret | None = None


class LinksParts(Parts):
    links = providers.Singleton(Links, of.public_url)
    signer = providers.Singleton(HmacDownloadSigner, providers.Callable(link_secret, of.data_dir, of.link_secret))


@asynccontextmanager
async def _opened(parts: LinksParts, _: LinksVariables) -> AsyncIterator[None]:
    try:
        parts.signer()
    except BadSecret as error:
        raise CannotStart(f"LINK_SECRET: {error}") from error
    except OSError as error:
        raise CannotStart(f"LINK_SECRET: cannot be kept in DATA_DIR: {error.strerror}") from error
    yield


LINKS = Capability(variables=LinksVariables, parts=[LinksParts], opened=_opened)
