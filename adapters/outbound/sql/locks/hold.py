"""From the entering of an upload to its leaving, as a block."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from adapters.outbound.sql.locks.local import LocalLease
from domain.errors import LongshoreError, Unavailable
from ports.upload_lock import Lease


class Hold(AbstractAsyncContextManager[Lease]):
    def __init__(
        self, enter: Callable[[], Awaitable[LocalLease]], leave: Callable[..., None], monotonic: Callable[[], float]
    ) -> None:
        self._enter = enter
        self._leave = leave
        self._monotonic = monotonic
        self._local: LocalLease | None = None

    async def __aenter__(self) -> Lease:
        self._local = local = await self._enter()
        token = local.token or ""

        def check() -> None:
            if local.token != token or self._monotonic() >= local.safe_until:
                raise local.loss_of(token)

        return Lease(local.upload_id, token, check)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        local, self._local = self._local, None
        if local is not None:
            self._leave(local, is_settled=error is None or _is_settled(error))


def _is_settled(error: BaseException) -> bool:
    return isinstance(error, LongshoreError) and not isinstance(error, Unavailable)
