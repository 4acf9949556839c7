"""Where the versions of draft-ietf-httpbis-resumable-upload differ, for clients that speak older ones.

Interop version 3 is draft 01, 5 is draft 03, 6 is drafts 04 and 05, 8 is draft 09 and later. Which one a client means
it says in Upload-Draft-Interop-Version; without that, or with another one, it is served as by version 8, but told
nothing in interim responses (§Draft Version Identification).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.structured_fields import parse_boolean, parse_size
from domain.errors import InvalidRequest

VERSION_FIELD = "Upload-Draft-Interop-Version"
PARTIAL_UPLOAD = "application/partial-upload"


@dataclass(frozen=True, slots=True)
class Interop:
    version: int
    is_announced: bool = True
    """Whether the client said so itself: only then may it be sent a 104."""
    is_inverted: bool = False
    """Version 3 has Upload-Incomplete, which is the opposite of Upload-Complete."""
    ends_unless_told: bool | None = None
    """What an append without Upload-Complete means; None: it may not be without."""
    needs_media_type: bool = True
    tells_progress: bool = True
    appended_status: int = 204
    lifetime: str = "max-age"
    """What the limit of an upload's lifetime is called."""
    unwanted: tuple[str, ...] = ()
    """Fields that make a HEAD or DELETE a bad request."""

    def completeness(self, headers: Mapping[str, str]) -> bool | None:
        """What the request says of its body's end; None where it says nothing.

        Raises:
            InvalidRequest: it is neither ?0 nor ?1.
        """
        if self.is_inverted and (text := headers.get("Upload-Incomplete")) is not None:
            return not parse_boolean(text, "Upload-Incomplete")
        text = headers.get("Upload-Complete")
        return None if text is None else parse_boolean(text, "Upload-Complete")

    def is_whole(self, headers: Mapping[str, str]) -> bool:
        """Whether a creation brings everything.

        Raises:
            InvalidRequest: it does not say.
        """
        told = self.completeness(headers)
        if told is None:
            raise InvalidRequest("Upload-Complete is needed")
        return told

    def ends(self, headers: Mapping[str, str]) -> bool:
        """Whether an append brings the rest."""
        if self.ends_unless_told is not None and self.completeness(headers) is None:
            return self.ends_unless_told
        return self.is_whole(headers)

    def completeness_fields(self, is_complete: bool) -> dict[str, str]:
        fields = {"Upload-Complete": _boolean(is_complete)}
        if self.is_inverted:
            fields["Upload-Incomplete"] = _boolean(not is_complete)
        return fields

    def check_media_type(self, headers: Mapping[str, str], *, has_body: bool) -> None:
        """§Upload Append: PATCH is made with application/partial-upload; before version 6 with anything."""
        given = headers.get("Content-Type", "").split(";", 1)[0].strip().lower()
        if self.needs_media_type and given != PARTIAL_UPLOAD and (has_body or given):
            detail = f"the body's Content-Type is {PARTIAL_UPLOAD}"
            raise Refusal(415, "unsupported_media_type", detail, {"Accept-Patch": PARTIAL_UPLOAD})

    def check_unwanted(self, headers: Mapping[str, str]) -> None:
        """Up to version 6, §Offset Retrieval and §Upload Cancellation: refused with 400."""
        if found := [field for field in self.unwanted if field in headers]:
            raise InvalidRequest(f"{found[0]} has no place in this request")


_LATEST = Interop(8)
_DRAFT_01 = Interop(
    3,
    is_inverted=True,
    ends_unless_told=True,
    needs_media_type=False,
    tells_progress=False,
    appended_status=201,
    unwanted=("Upload-Offset", "Upload-Incomplete", "Upload-Complete"),
)
_DRAFT_03 = Interop(
    5,
    ends_unless_told=False,
    needs_media_type=False,
    appended_status=201,
    unwanted=("Upload-Offset", "Upload-Complete"),
)
_DRAFT_05 = Interop(
    6,
    ends_unless_told=False,
    appended_status=201,
    lifetime="expires",
    unwanted=("Upload-Offset", "Upload-Complete", "Upload-Length"),
)
_VERSIONS = {interop.version: interop for interop in (_LATEST, _DRAFT_05, _DRAFT_03, _DRAFT_01)}


def interop_of(headers: Mapping[str, str]) -> Interop:
    try:
        version = parse_size(headers.get(VERSION_FIELD, ""), VERSION_FIELD)
    except InvalidRequest:
        version = 0
    if found := _VERSIONS.get(version):
        return found
    guessed = _DRAFT_01 if "Upload-Incomplete" in headers else _LATEST
    return replace(guessed, is_announced=False)


def _boolean(value: bool) -> str:
    return "?1" if value else "?0"
