"""Who calls, and what is theirs."""

from dataclasses import dataclass

from domain.ids import OwnerId

NOBODY = OwnerId("nobody")


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a use case. Everything it creates belongs to ``owner``; an administrator sees all."""

    owner: OwnerId
    is_admin: bool = False

    def may_see(self, owner: OwnerId) -> bool:
        return self.is_admin or self.owner == owner


def user(user_id: str) -> Principal:
    return Principal(OwnerId(f"user:{user_id}"))


def guest(guest_id: str) -> Principal:
    return Principal(OwnerId(f"guest:{guest_id}"))


STRANGER = Principal(OwnerId("stranger"))
"""Someone of whom nothing is known; owns nothing."""

ANYBODY = Principal(NOBODY)
"""The one principal of ``AUTH_MODE=open``: everything is everyone's."""
