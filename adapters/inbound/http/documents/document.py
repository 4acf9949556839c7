"""The documents themselves, for the document."""

from adapters.inbound.common.documents.words import ANY, BYTES, TEXT, answer, operation, parameter, with_head

__all__ = ["PATHS"]

_TAG = "documents"
_KEPT = {304: answer("You have it.")}

PATHS = {
    **{
        path: with_head(
            operation(
                f"What this server does, in the words of {name}",
                {200: answer("The document.", {"type": "object"}), **_KEPT},
                tag=_TAG,
                is_public=True,
            )
        )
        for path, name in (("/openapi.json", "OpenAPI 3.1"), ("/asyncapi.json", "AsyncAPI 3.0"))
    },
    "/docs": with_head(
        operation(
            "The same to read and try", {200: answer("HTML.", TEXT, "text/html"), **_KEPT}, tag=_TAG, is_public=True
        )
    ),
    "/docs/{name}": with_head(
        operation(
            "A file of that page's",
            {200: answer("It.", BYTES, ANY), **_KEPT},
            tag=_TAG,
            takes=[parameter("path", "name", TEXT)],
            refuses=(404,),
            is_public=True,
        )
    ),
}
