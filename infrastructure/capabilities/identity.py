"""Who calls: one user for all, whoever a gateway says it is, or the bearer of a token."""

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from dependency_injector import providers
from pydantic import AfterValidator, BeforeValidator

from adapters.inbound.common.auth import Authenticator, IpNetwork
from adapters.inbound.common.uris import parse_host
from adapters.inbound.http.operations.tickets import TicketRoutes
from adapters.outbound.sql.repositories.tickets import SqlTickets
from application.ticket import TicketUseCase
from infrastructure.capabilities.database import DatabaseParts
from infrastructure.capabilities.system import SystemParts, SystemVariables
from infrastructure.capability import CannotStart, Capability, Parts
from infrastructure.setting_values import Listed, StrongSecret, lower, networks, words
from ports.clock import Clock
from ports.token_verifier import TokenVerifier

if TYPE_CHECKING:
    from adapters.outbound.tokens.keys import Keys

# RFC 7518 §3.2: the secret is as long as the digest, at least.
_FOR_SECRET = {"HS256": 32, "HS384": 48, "HS512": 64}
_FOR_KEYS = (*("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), *("ES256", "ES384", "ES512", "EdDSA"))
_USUAL_FOR_SECRET = ("HS256",)
_USUAL_FOR_KEYS = ("RS256", "ES256")


def _algorithms(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := set(names).difference(_FOR_SECRET, _FOR_KEYS):
        raise ValueError(f"allowed: {', '.join((*_FOR_SECRET, *_FOR_KEYS))} ({min(unknown)[:20]!r} is none of them)")
    return names


class IdentityVariables(SystemVariables):
    auth_mode: Annotated[Literal["open", "gateway", "jwt"], BeforeValidator(lower)] = "open"
    trusted_proxies: Annotated[Listed[IpNetwork], BeforeValidator(networks)] = ()
    auth_jwt_secret: StrongSecret | None = None
    auth_jwt_jwks_file: Path | None = None
    auth_jwt_algorithms: Annotated[Listed[str], BeforeValidator(words), AfterValidator(_algorithms)] = ()
    auth_jwt_audience: Annotated[Listed[str], BeforeValidator(words)] = ()
    auth_jwt_issuer: str = ""


def _misfits(settings: IdentityVariables) -> Iterable[str]:
    if settings.auth_mode == "gateway" and not settings.trusted_proxies:
        yield "AUTH_MODE: 'gateway' needs TRUSTED_PROXIES, the addresses of the gateway"
    if settings.auth_mode == "jwt":
        yield from _misfits_of_tokens(settings)


def _misfits_of_tokens(settings: IdentityVariables) -> Iterable[str]:
    secret, file, algorithms = settings.auth_jwt_secret, settings.auth_jwt_jwks_file, settings.auth_jwt_algorithms
    if secret is None and file is None:
        yield "AUTH_MODE: 'jwt' needs AUTH_JWT_SECRET or AUTH_JWT_JWKS_FILE, for who may sign tokens"
    elif secret is not None and file is not None:
        yield "AUTH_JWT_SECRET and AUTH_JWT_JWKS_FILE: only one of them says who may sign tokens"
    elif strange := [name for name in algorithms if (name in _FOR_SECRET) is (secret is None)]:
        kind = "a secret" if secret is not None else "public keys"
        yield f"AUTH_JWT_ALGORITHMS: {', '.join(strange)} can't go with {kind}"
    elif secret is not None:
        for name in algorithms:
            if len(secret.get_secret_value().encode()) < _FOR_SECRET[name]:
                yield f"AUTH_JWT_SECRET: {name} needs at least {_FOR_SECRET[name]} letters"


def _warnings(settings: IdentityVariables) -> Iterable[str]:
    if settings.auth_mode == "open" and not is_loopback(settings.api_host):
        yield f"AUTH_MODE is open and {settings.api_host} reachable from outside: every file is everyone's"
    if settings.auth_mode == "gateway" and any(network.prefixlen == 0 for network in settings.trusted_proxies):
        yield "TRUSTED_PROXIES has every address: anybody can claim to be anyone"
    if settings.auth_mode == "jwt" and settings.auth_jwt_jwks_file and not settings.auth_jwt_audience:
        yield "AUTH_JWT_AUDIENCE is empty: tokens that the issuer made for other services are believed, too"


def is_loopback(host: str) -> bool:
    name = parse_host(host) or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _authenticator(settings: IdentityVariables, clock: Clock, tickets: TicketUseCase) -> Authenticator:
    return Authenticator(
        settings.auth_mode,
        trusted_proxies=settings.trusted_proxies,
        verify_token=_token_verifier(settings, clock).verify if settings.auth_mode == "jwt" else None,
        redeem_ticket=tickets.redeem,
    )


def _check_keys(settings: IdentityVariables) -> None:
    if settings.auth_mode == "jwt":
        _keys(settings)


def _token_verifier(settings: IdentityVariables, clock: Clock) -> TokenVerifier:
    # It brings a cryptographic library along, which the other modes do without.
    from adapters.outbound.tokens.jwt_verifier import JwtVerifier  # noqa: PLC0415

    keys = _keys(settings)
    return JwtVerifier(keys, clock, audiences=settings.auth_jwt_audience, issuer=settings.auth_jwt_issuer)


def _keys(settings: IdentityVariables) -> "Keys":
    from adapters.outbound.tokens.keys import BadKeys, KeyFile, SharedSecret  # noqa: PLC0415 -- as above

    if secret := settings.auth_jwt_secret:
        return SharedSecret(secret.get_secret_value().encode(), settings.auth_jwt_algorithms or _USUAL_FOR_SECRET)
    try:
        return KeyFile(settings.auth_jwt_jwks_file or Path(), settings.auth_jwt_algorithms or _USUAL_FOR_KEYS)
    except BadKeys as error:
        raise CannotStart(f"AUTH_JWT_JWKS_FILE: {error}") from error


class IdentityParts(Parts):
    tickets = providers.Singleton(
        TicketUseCase, providers.Singleton(SqlTickets, DatabaseParts.database), SystemParts.clock, SystemParts.ids
    )
    ticket_routes = providers.Singleton(TicketRoutes, tickets)
    authenticator = providers.Singleton(_authenticator, Parts.settings, SystemParts.clock, tickets)


IDENTITY = Capability(
    variables=IdentityVariables,
    misfits=_misfits,
    before_serving=_check_keys,
    warnings=_warnings,
    parts=[IdentityParts],
    resources=lambda parts: parts.ticket_routes().resources(),
)
