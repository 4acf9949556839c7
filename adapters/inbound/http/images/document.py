"""What /images takes and answers, for the document."""

from adapters.inbound.common.documents.words import (
    BYTES,
    FORM,
    ID,
    TEXT,
    UUID,
    an_object,
    answer,
    body,
    one_of,
    operation,
    or_null,
    parameter,
    path_id,
    query,
    ref,
    with_head,
)
from adapters.inbound.http.files.document import CONTENT, CONTENT_TAKES
from domain.image import ImageStatus
from domain.rendition import Box

__all__ = ["PATHS", "SCHEMAS"]

_TAG = "images"
_STATUS = one_of(*(status.value for status in ImageStatus))
_REFUSES = (401, 403, 404, 410)
_THUMBNAILS = an_object(**{box.label: or_null(TEXT) for box in Box})

SCHEMAS = {
    "Image": an_object({"error": TEXT}, id=ID, status=_STATUS, original_url=TEXT, thumbnails=_THUMBNAILS),
    "ImageError": an_object(detail=TEXT, code=TEXT, request_id=TEXT),
}

PATHS = {
    "/images": {
        "post": operation(
            "Upload a picture, or make an image of a file",
            {200: answer("Its thumbnails are drawn soon.", an_object(id=ID, status=_STATUS, message=TEXT))},
            tag=_TAG,
            takes=[query("upload_id", UUID)],
            given=body(an_object({"file": BYTES}), FORM, application_json=an_object(file_id=ID)),
            refuses=(400, 401, 403, 404, 413, 415, 422, 429, 503, 507),
            refusal=ref("ImageError"),
        )
    },
    "/images/{id}": with_head(
        operation(
            "An image",
            {200: answer("How it is.", ref("Image"))},
            tag=_TAG,
            takes=[path_id()],
            refuses=_REFUSES,
            refusal=ref("ImageError"),
        )
    ),
    "/images/{id}/original": with_head(
        operation(
            "The picture as it came",
            CONTENT,
            tag=_TAG,
            takes=[path_id(), *CONTENT_TAKES],
            refuses=(*_REFUSES, 412, 416),
            refusal=ref("ImageError"),
        )
    ),
    "/images/{id}/thumbnails/{size}": with_head(
        operation(
            "A thumbnail",
            CONTENT,
            tag=_TAG,
            takes=[
                path_id(),
                parameter("path", "size", one_of(*(box.label for box in Box), *(str(int(box)) for box in Box))),
                *CONTENT_TAKES,
            ],
            refuses=(*_REFUSES, 412, 416),
            refusal=ref("ImageError"),
        )
    ),
}
