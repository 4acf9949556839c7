"""What a query asks to watch: ``?upload_id=…&upload_id=…`` or ``?scope=mine`` (docs/http.md, Progress)."""

from tornado.web import RequestHandler

from application.progress import MAX_WATCHES
from domain.errors import TooManyWatched


def parse_wishes(handler: RequestHandler) -> tuple[list[str], bool]:
    """The ids, each once, and whether all uploads of the caller are wanted.

    Raises:
        TooManyWatched: before anything is opened for them.
    """
    upload_ids = list(dict.fromkeys(id_ for id_ in handler.get_query_arguments("upload_id") if id_))
    if len(upload_ids) > MAX_WATCHES:
        raise TooManyWatched(at_most=MAX_WATCHES)
    return upload_ids, handler.get_query_argument("scope", "") == "mine"
