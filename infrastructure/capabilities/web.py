"""Whose pages may call, how often anybody may, and our own page."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from adapters.inbound.common.rate_limit import parse_rates
from infrastructure.capability import Capability, Variables
from infrastructure.setting_values import Listed, OrNone, is_web_address, words


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        # "null" is what sandboxed frames and local files send: naming it would open the door to any page.
        if origin != "*" and (not is_web_address(origin) or urlsplit(origin).path not in ("", "/")):
            raise ValueError("allowed: origins such as https://example.org, separated by commas, or *")
    return tuple(origin.rstrip("/").lower() for origin in origins)


def _rate_limit(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        rates = parse_rates(text)
    except ValueError:
        rates = []
    if not rates or any(amount < 1 or seconds < 1 for amount, seconds in rates):
        raise ValueError("allowed: a rate such as 600/minute, several separated by semicolons, or none")
    return text


class WebVariables(Variables):
    cors_origins: Annotated[Listed[str], BeforeValidator(words), AfterValidator(_origins)] = ()
    rate_limit: Annotated[OrNone[str], AfterValidator(_rate_limit)] = "600/minute"


WEB = Capability(variables=WebVariables)
