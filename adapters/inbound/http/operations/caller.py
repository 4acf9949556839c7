"""``/me``: who calls, as we understand it, and what they may; for a page that shows no more than that."""

import re
from collections.abc import Sequence

from adapters.inbound.common.auth import Authenticator
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply
from domain.access import STRANGER
from domain.upload_policy import UploadPolicy


class CallerRoute:
    def __init__(self, authenticator: Authenticator, policy: UploadPolicy, version: str) -> None:
        self._authenticator = authenticator
        self._policy = policy
        self._version = version

    def resources(self) -> Sequence[Resource]:
        methods = {"GET": self.get, "HEAD": self.get}
        return [Resource(re.compile(r"/me/?"), methods, admits_strangers=True, minds_bad_tokens=True)]

    async def get(self, exchange: Exchange) -> Reply:
        """``owner`` is null of a stranger: a page asks them to sign in. 401: the token is not good."""
        principal, mode = exchange.principal, self._authenticator.mode
        content: dict[str, object] = {
            "auth_mode": mode,
            "owner": None if principal is STRANGER else principal.owner,
            "is_admin": is_administrator(mode, is_admin=principal.is_admin),
            "max_upload_size": self._policy.max_length_bytes,
            "version": self._version,
        }
        return json_reply(content, headers={"Cache-Control": "no-store"})


def is_administrator(mode: str, *, is_admin: bool) -> bool:
    """Where nobody has to say who calls, everything is everyone's, an administrator's view too."""
    return is_admin or mode == "open"
