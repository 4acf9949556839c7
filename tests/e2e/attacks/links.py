"""Signed links that say something else than was signed, or lead to what is not there any more."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from domain.access import Disposition, DownloadToken
from domain.ids import FileId
from tests.e2e.attacks.besieged import LINK_SECRET, Attack, Besieged, Told, told
from tests.e2e.tus import Tus, id_of

VISIBLE = "e2e/test_visibility.py"
SIGNER = HmacDownloadSigner(LINK_SECRET.encode())
_ALTERED = (403, "link_altered")


def link(
    alter: Callable[[DownloadToken], DownloadToken] = lambda token: token, *, seconds: int = 60, query: str = ""
) -> Callable[[Besieged], Told]:
    """To a file of Anna's, shown by nobody; altered after it was signed."""

    def tried(besieged: Besieged) -> Told:
        file_id = FileId(id_of(Tus(besieged.user()).completed(b"secret")))
        return told(besieged.nobody.get(_address(_token(file_id, seconds), alter, query)))

    return tried


def deleted(besieged: Besieged) -> Told:
    anna = besieged.user()
    file_id = FileId(id_of(Tus(anna).completed(b"secret")))
    address = _address(_token(file_id, 60))
    assert besieged.nobody.get(address).body == b"secret"
    assert anna.request("DELETE", f"/files/{file_id}").status == 204
    return told(besieged.nobody.get(address))


def used_to(method: str, path: str) -> Callable[[Besieged], Told]:
    """A link that is for reading."""

    def tried(besieged: Besieged) -> Told:
        file_id = FileId(id_of(Tus(besieged.user()).completed(b"secret")))
        query = _address(_token(file_id, 60)).partition("?")[2]
        return told(besieged.nobody.request(method, f"{path.format(file_id)}?{query}"))

    return tried


def _token(file_id: FileId, seconds: int) -> DownloadToken:
    return DownloadToken(file_id, (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0))


def _address(
    token: DownloadToken, alter: Callable[[DownloadToken], DownloadToken] = lambda token: token, query: str = ""
) -> str:
    signature, token = SIGNER.sign(token), alter(token)
    shown = {"expires": int(token.expires_at.timestamp())} | (
        {"disposition": token.disposition} if token.disposition else {}
    )
    return f"/files/{token.file_id}/content?{urlencode({**shown, 'signature': signature})}{query}"


ATTACKS: Sequence[Attack] = (
    Attack("a link to another file", link(lambda token: replace(token, file_id=FileId("0" * 32))), _ALTERED, VISIBLE),
    Attack(
        "a link for longer",
        link(lambda token: replace(token, expires_at=token.expires_at + timedelta(days=1))),
        _ALTERED,
        VISIBLE,
    ),
    Attack(
        "a link that would be shown",
        link(lambda token: replace(token, disposition=Disposition.INLINE)),
        _ALTERED,
        VISIBLE,
    ),
    Attack("a link that says it twice", link(query="&expires=99999999999"), _ALTERED, VISIBLE),
    Attack("a link that is over", link(seconds=-1), (410, "link_expired"), VISIBLE),
    Attack(
        "a link that is over, and altered",
        link(lambda token: replace(token, expires_at=token.expires_at + timedelta(days=1)), seconds=-1),
        _ALTERED,
        VISIBLE,
    ),
    Attack("a link to what was deleted", deleted, (404, "file_not_found"), VISIBLE),
    Attack("a link to delete by", used_to("DELETE", "/files/{}"), (401, "unauthenticated"), VISIBLE),
    Attack("a link to make links by", used_to("POST", "/files/{}/links"), (401, "unauthenticated"), VISIBLE),
    Attack("a link to what is known of it", used_to("GET", "/files/{}"), (401, "unauthenticated"), VISIBLE),
)
