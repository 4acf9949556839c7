"""A web server in front that sends stored files itself: we say which one it is, and whether they may have it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from adapters.inbound.http.engine.exchange import Exchange
from domain.file import File
from domain.ids import BlobKey

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest

_CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")


class Front:
    """nginx's ``X-Accel-Redirect``. ``location``: what it calls the storage's folder, and gives to nobody who asks for
    it (``internal``). ``place_of``: where below that a blob is. ``is_proxy``: whether an address is that of a proxy of
    ours; whoever comes by no such gets the bytes from us.
    """

    def __init__(self, location: str, *, place_of: Callable[[BlobKey], str], is_proxy: Callable[[str], bool]) -> None:
        self._location = location
        self._place_of = place_of
        self._is_proxy = is_proxy

    def place_for(self, exchange: Exchange, file: File) -> str | None:
        """Where the front finds the bytes that this request is to get; None: they come from us.

        What is asked on a condition does: the front would judge by the date of its file, and not by our ETag.
        """
        request = cast("HTTPServerRequest", exchange.request)  # only our own server has a front
        if not self._location or any(name in exchange.headers for name in _CONDITIONS):
            return None
        return self._location + self._place_of(file.blob_key) if self._is_proxy(request.remote_ip or "") else None
