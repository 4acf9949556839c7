"""The links that are handed out: where they begin, and what signs those that open a file."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from dependency_injector import providers
from pydantic import AfterValidator, SecretStr

from adapters.inbound.http.files.links import Links
from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from infrastructure.capabilities.system import SystemVariables
from infrastructure.capability import CannotStart, Capability, Parts, of
from infrastructure.link_secret import BadSecret, link_secret
from infrastructure.setting_values import Secret, ascii_url, is_web_address

_SECRET_LETTERS = 32
# What examples and tutorials have in place of a secret; chance does not write these.
_WELL_KNOWN = (
    *("changeme", "changethis", "changeit", "replaceme", "replacethis", "supersecret", "secretkey", "password"),
    *("yoursecret", "your256bitsecret", "your512bitsecret", "stringsecretatleast"),
)


def _public_url(text: str) -> str:
    if not text:
        return ""
    if not is_web_address(text):
        raise ValueError("allowed: http:// or https://, a host, perhaps a port and a path")
    return ascii_url(text.rstrip("/"))


def _secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    if len(text) < _SECRET_LETTERS or len(set(text)) < _SECRET_LETTERS // 4:
        raise ValueError(f"allowed: at least {_SECRET_LETTERS} letters at random, such as of `openssl rand -hex 32`")
    if any(word in plain for word in _WELL_KNOWN):
        raise ValueError("everybody knows it; allowed: letters at random, such as of `openssl rand -hex 32`")
    return secret


class LinksVariables(SystemVariables):
    public_url: Annotated[str, AfterValidator(_public_url)] = ""
    link_secret: Annotated[Secret, AfterValidator(_secret)] | None = None


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
