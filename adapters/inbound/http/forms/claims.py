"""What uploaders say that cut a file into chunks and send each as a form of its own (or as a plain body): which one it
is, and of how many.

They say it in fields before the file, in the query, or in headers. Dropzone, resumable.js, flow.js, plupload, Fine
Uploader, ng-file-upload, Kendo, DevExtreme, Syncfusion and the like have names of their own, but there are few ways to
name the three things that matter. A file that such an uploader sends in one piece is as good as any other.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from adapters.inbound.http.engine.exchange import Exchange
from adapters.inbound.http.engine.multipart import FormPart
from adapters.inbound.http.engine.wholeness import not_whole
from domain.file_name import decoded

if TYPE_CHECKING:
    from adapters.inbound.common.heads import Headers

# Without case and whatever is no letter, of which each uploader has another habit.
_COUNT = re.compile(r"[a-z]*total(chunk|chunks|chunkcount)|[a-z]*chunks?(total|count|totalcount)|chunks|qqtotalparts")
_PLACE = re.compile(r"[a-z]*chunk(index|number|byteoffset|offset|start)|chunk|qqpart(index|byteoffset)")
_SIZE = re.compile(r"[a-z]*total(file)?size|chunkfilesize")
_JSON = {"metadata": "", "chunkmetadata": "chunk"}  # Kendo's and DevExtreme's, whose keys are Index and TotalCount
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)
_MAX_CLAIM_BYTES = 16 * 1024


class Claims:
    """Of one request, gathered as they come."""

    def __init__(self, exchange: Exchange) -> None:
        self._count: int | None = None
        self._has_place = False
        self._size: int | None = None
        self._offset: int | None = None
        self._total: int | None = None
        for name, value in _in_head(exchange.headers, exchange.request.query):
            self.add(name, value)

    @staticmethod
    def is_one(name: str) -> bool:
        """Whether a field of that name may say something."""
        key = _key(name)
        return key in _JSON or key in ("offset", "total") or any(of.fullmatch(key) for of in (_COUNT, _PLACE, _SIZE))

    def add(self, name: str, value: str) -> None:
        """Raises:
        Refusal: it is one chunk of several.
        """
        key, text = _key(name), value.strip()
        if key in _JSON:
            for inner, told in _members(text):
                self.add(f"{_JSON[key]}{inner}", str(told))
        elif _DIGITS.fullmatch(text):
            self._note(key, int(text))
        if (self._count or 0) > 1:
            raise not_whole()

    async def read(self, part: FormPart) -> None:
        """Of what is no file that is asked for, no more than this is looked at; raises what ``add`` does."""
        if not part.filename and self.is_one(part.name):
            self.add(part.name, decoded(await part.gather(_MAX_CLAIM_BYTES)))
        await part.skip()

    def check(self, size: int | None) -> None:
        """Whether a file of ``size`` bytes (None: it may be any) is the whole of what was announced.

        Raises:
            Refusal: it is one chunk of several.
        """
        if self._count is not None:  # one, or of an empty file none
            return
        # plupload's other way, in words that mean something else by themselves
        is_placed = self._has_place or (self._offset is not None and self._total is not None)
        if is_placed and (size is None or size != (self._total if self._size is None else self._size)):
            raise not_whole()

    def _note(self, key: str, number: int) -> None:
        if _COUNT.fullmatch(key):
            self._count = max(self._count or 0, number)
        elif _PLACE.fullmatch(key):
            self._has_place = True
        elif _SIZE.fullmatch(key):
            self._size = number
        elif key == "offset":
            self._offset = number
        elif key == "total":
            self._total = number


def _in_head(headers: "Headers", query: str) -> Iterator[tuple[str, str]]:
    for name, value in headers.get_all():
        if "chunk" in name.lower():
            yield name, value
    if query:
        yield from parse_qsl(query)


def _members(text: str) -> Iterator[tuple[str, object]]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(told, Mapping):
        yield from told.items()


def _key(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower().removeprefix("x-"))
