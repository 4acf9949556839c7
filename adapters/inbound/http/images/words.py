"""How ``/images`` answers: plain JSON, and ``{"detail"}`` where it refuses, in the words that its clients know."""

from adapters.inbound.common.errors import Refusal, code_of, detail_of, headers_of, status_of
from adapters.inbound.http.engine.exchange import Reply, json_reply
from adapters.inbound.http.files.links import Links
from application.download import SignedToken
from application.views import ImageView
from domain.errors import ImageNotFound, NotFound, ThumbnailNotFound
from domain.image import ImageStatus

_QUEUED = "Image uploaded successfully and queued for processing"  # spelt as it has always been
_MESSAGES = {
    ImageStatus.DONE: "The thumbnails of this image are ready",
    ImageStatus.ERROR: "The thumbnails of this image could not be made",
}
_NOT_KEPT = {"Cache-Control": "no-store"}


def queued(view: ImageView) -> Reply:
    about = {"id": view.file.id, "status": view.status, "message": _MESSAGES.get(view.status, _QUEUED)}
    return json_reply(about, headers=_NOT_KEPT)


def described(view: ImageView, links: Links, link: SignedToken | None) -> Reply:
    image_id = view.file.id
    about: dict[str, object] = {
        "id": image_id,
        "status": view.status,
        "original_url": links.original(image_id, link),
        "thumbnails": links.thumbnails(image_id, view.boxes, link),
    }
    if view.status is ImageStatus.ERROR:
        about["error"] = view.error
    return json_reply(about, headers=_NOT_KEPT)


def image_refusal(error: Exception, request_id: str) -> Reply:
    """``code`` and ``request_id`` are more than that service told."""
    if isinstance(error, NotFound) and not isinstance(error, ThumbnailNotFound):
        error = ImageNotFound("Image not found")
    about = {"detail": detail_of(error), "code": code_of(error), "request_id": request_id}
    return json_reply(about, status_of(error), {**headers_of(error), **_NOT_KEPT})


def no_file() -> Refusal:
    words = 'a picture is needed: in the field "file" of a multipart form, or {"file_id": "…"} as JSON'
    return Refusal(422, "no_file", words)


def several_files() -> Refusal:
    return Refusal(400, "several_files", "one picture a request: send the others in requests of their own")


def foreign_type(ending: str) -> Refusal:
    return Refusal(400, "invalid_picture", f"File type {ending} not allowed")
