"""The page and its files, for the document."""

from adapters.inbound.common.documents.words import (
    ANY,
    BYTES,
    TEXT,
    an_object,
    answer,
    operation,
    parameter,
    with_head,
)

__all__ = ["PATHS"]

_TAG = "page"

PATHS = {
    "/": with_head(
        operation(
            "The page",
            {
                200: answer("HTML, or who we are as JSON.", an_object(message=TEXT, version=TEXT)),
                304: answer("You have it."),
            },
            tag=_TAG,
            is_public=True,
        )
    ),
    "/static/{name}": with_head(
        operation(
            "A file of the page's",
            {200: answer("It.", BYTES, ANY), 304: answer("You have it.")},
            tag=_TAG,
            takes=[parameter("path", "name", TEXT)],
            refuses=(404,),
            is_public=True,
        )
    ),
}
PATHS["/"]["get"]["responses"]["200"]["content"]["text/html"] = {"schema": TEXT}
