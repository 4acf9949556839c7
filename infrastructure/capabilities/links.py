"""The links that are handed out: where they begin, and what signs those that open a file."""

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from infrastructure.capabilities.system import SystemVariables
from infrastructure.capability import Capability
from infrastructure.setting_values import Secret, is_web_address

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
    return text.rstrip("/")


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


LINKS = Capability(variables=LinksVariables)
