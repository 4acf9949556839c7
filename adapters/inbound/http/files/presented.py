"""What the query of a download shows to be let in: a credential's keys and values, or a signed link."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from adapters.inbound.common.errors import Refusal
from application.download import SignedToken
from domain.access import Disposition, DownloadToken
from domain.errors import LinkAltered
from domain.ids import FileId

_MAX_FIELDS = 128
_EXPIRES = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)


def parse_shown(query: str) -> dict[str, str]:
    """The query's keys and values; one that comes twice says nothing for sure, so it is left out.

    Raises:
        Refusal: there are too many of them.
    """
    if not query:
        return {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Refusal(400, "invalid_request", f"at most {_MAX_FIELDS} fields in a query") from None
    keys = [key for key, _ in pairs]
    return {key: value for key, value in pairs if keys.count(key) == 1}


def parse_link(shown: Mapping[str, str], query: str, file_id: FileId) -> SignedToken | None:
    """The signed link that is being followed; None if it is a plain one.

    Raises:
        LinkAltered: it can't have been signed here.
    """
    if not re.search(r"(?:^|&)(?:expires|signature)=", query):
        return None
    expires, disposition = shown.get("expires", ""), shown.get("disposition")
    if not _EXPIRES.fullmatch(expires) or disposition not in (None, *Disposition):
        raise LinkAltered("this link was not signed here")
    token = DownloadToken(
        file_id=file_id,
        expires_at=datetime.fromtimestamp(int(expires), UTC),
        disposition=None if disposition is None else Disposition(disposition),
    )
    return SignedToken(token, shown.get("signature", ""))
