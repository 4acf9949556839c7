"""Whether a request brings a whole file, as it is: what says otherwise in its head is refused before its body.

The bytes that come are what is stored, so a fragment, or a file in a wrapping, would be taken for the file.
What forms say in their fields is for ``forms/claims.py``.
"""

from collections.abc import Mapping

from adapters.inbound.common.errors import Refusal

# RFC 9110 §14.5: a PUT with Content-Range is refused with 400 where it can't be partial. Uploaders send it with forms,
# too (blueimp's, uploady's); the second is what nginx's upload module reads, the third is ownCloud's.
_PARTIAL = ("Content-Range", "X-Content-Range", "OC-Chunked")
# Those of whoever means to go on with an upload; at /uploads they are understood.
_RESUMED = ("Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Concat")
_WRAPPED = frozenset({"multipart/form-data", "multipart/byteranges"})


def not_whole() -> Refusal:
    detail = "these bytes are not a whole file: send it in one request, or in chunks to /uploads or /api/v1/file"
    return Refusal(400, "not_whole_file", detail)


def check_whole(headers: Mapping[str, str], *, is_resumable: bool) -> None:
    """``is_resumable``: whether the dialect has words of its own for where in the file the bytes lie."""
    is_partial = any(name in headers for name in _PARTIAL)
    if not is_resumable:
        goes_on = headers.get("Upload-Complete", "?1").strip() != "?1" or "Upload-Incomplete" in headers
        is_partial = is_partial or goes_on or any(name in headers for name in _RESUMED)
    if is_partial:
        raise not_whole()


def check_unwrapped(headers: Mapping[str, str]) -> None:
    """Whether the body is the file itself. A file may well be any other kind of multipart, such as a saved page."""
    if headers.get("Content-Type", "").split(";", 1)[0].strip().lower() in _WRAPPED:
        detail = "the body is to be the file itself; forms are posted to /upload"
        raise Refusal(415, "unsupported_media_type", detail)


def check_length(headers: Mapping[str, str]) -> None:
    """RFC 9112 §6.3 takes a request that tells no length for one without a body: by accident, a file would be empty."""
    if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        raise Refusal(411, "length_required", "either Content-Length or Transfer-Encoding: chunked is needed")
