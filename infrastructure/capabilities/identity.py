"""Who calls: one user for all, or whoever a gateway says it is."""

import ipaddress
from collections.abc import Iterable
from typing import Annotated, Literal

from dependency_injector import providers
from pydantic import BeforeValidator

from adapters.inbound.common.auth import Authenticator, IpNetwork
from adapters.inbound.common.uris import parse_host
from infrastructure.capabilities.system import SystemVariables
from infrastructure.capability import Capability, Parts, of
from infrastructure.setting_values import Listed, lower, words


def _auth_mode(text: object) -> object:
    text = lower(text)
    if text == "jwt":
        raise ValueError("jwt is not available yet; allowed: open, gateway")
    return text


def _networks(text: object) -> object:
    text = words(text)
    if not isinstance(text, tuple):
        return text
    try:
        return tuple(ipaddress.ip_network(word) for word in text)
    except ValueError as error:
        raise ValueError(f"allowed: IP addresses and networks, separated by commas ({error})") from None


class IdentityVariables(SystemVariables):
    auth_mode: Annotated[Literal["open", "gateway"], BeforeValidator(_auth_mode)] = "open"
    trusted_proxies: Annotated[Listed[IpNetwork], BeforeValidator(_networks)] = ()


def _misfits(settings: IdentityVariables) -> Iterable[str]:
    if settings.auth_mode == "gateway" and not settings.trusted_proxies:
        yield "AUTH_MODE: 'gateway' needs TRUSTED_PROXIES, the addresses of the gateway"


def _warnings(settings: IdentityVariables) -> Iterable[str]:
    if settings.auth_mode == "open" and not is_loopback(settings.api_host):
        yield f"AUTH_MODE is open and {settings.api_host} reachable from outside: every file is everyone's"
    if settings.auth_mode == "gateway" and any(network.prefixlen == 0 for network in settings.trusted_proxies):
        yield "TRUSTED_PROXIES has every address: anybody can claim to be anyone"


def is_loopback(host: str) -> bool:
    name = parse_host(host) or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


class IdentityParts(Parts):
    authenticator = providers.Singleton(Authenticator, of.auth_mode, trusted_proxies=of.trusted_proxies)


IDENTITY = Capability(variables=IdentityVariables, misfits=_misfits, warnings=_warnings, parts=[IdentityParts])
