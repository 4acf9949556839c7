"""The URLs we hand out: relative, or below PUBLIC_URL where a proxy shows us under another name."""

import re
from collections.abc import Collection
from urllib.parse import urlencode, urlsplit

from adapters.inbound.common.heads import Head
from adapters.inbound.common.uris import normal_path
from application.download import SignedToken
from domain.ids import FileId, UploadId
from domain.rendition import Box

_HOST = re.compile(r"[A-Za-z0-9.\-_:\[\]]{1,255}")
_UPLOAD_PATH = re.compile(r"(?:.*/)?uploads/([^/]+)/?")


class Links:
    def __init__(self, public_url: str = "") -> None:
        self._base = public_url.rstrip("/")

    def upload(self, upload_id: UploadId) -> str:
        return f"{self._base}/uploads/{upload_id}"

    def file(self, file_id: FileId) -> str:
        return f"{self._base}/files/{file_id}"

    def content(self, file_id: FileId) -> str:
        return f"{self._base}/files/{file_id}/content"

    def archive(self, shown: str) -> str:
        return f"{self._base}/files/archive?link={shown}"

    def signed(self, link: SignedToken) -> str:
        return self.content(link.token.file_id) + _query(link)

    def original(self, image_id: FileId, link: SignedToken | None = None) -> str:
        """``link``: with what opens it to whoever has it."""
        return f"{self._base}/images/{image_id}/original{_query(link)}"

    def thumbnail(self, image_id: FileId, label: str, link: SignedToken | None = None) -> str:
        return f"{self._base}/images/{image_id}/thumbnails/{label}{_query(link)}"

    def thumbnails(
        self, image_id: FileId, drawn: Collection[Box], link: SignedToken | None = None
    ) -> dict[str, str | None]:
        """By name, of every size; null until it is drawn."""
        return {box.label: self.thumbnail(image_id, box.label, link) if box in drawn else None for box in Box}

    def absolute(self, link: str, request: Head) -> str:
        """For a person at a terminal: with the address the client called us by, where we were told no other."""
        if not link.startswith("/") or not _HOST.fullmatch(request.host):
            return link
        return f"{request.protocol}://{request.host}{link}"

    @staticmethod
    def upload_id_in(url: str) -> str | None:
        """The id in an upload's URL, relative or absolute; None if it leads elsewhere.

        Whose name it is under says nothing: a proxy may have its own for us, and tell us another one. What can't be
        guessed is the id.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        found = _UPLOAD_PATH.fullmatch(normal_path(parts.path))
        return found[1] if found and parts.scheme in ("", "http", "https") else None


def _query(link: SignedToken | None) -> str:
    if link is None:
        return ""
    shown = {"expires": str(int(link.token.expires_at.timestamp()))}
    if link.token.disposition is not None:
        shown["disposition"] = link.token.disposition.value
    return f"?{urlencode({**shown, 'signature': link.signature})}"
