"""A request's head as the dialects see it, whoever has read it: Tornado's request is one, ``PlainHead`` is another."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from tornado.httputil import HTTPHeaders

    Headers: TypeAlias = "HTTPHeaders | Fields"


class Head(Protocol):
    @property
    def method(self) -> str | None: ...
    @property
    def path(self) -> str:
        """As it was sent, percent-encoded."""

    @property
    def query(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def protocol(self) -> str:
        """``http`` or ``https``."""

    @property
    def version(self) -> str: ...
    @property
    def headers(self) -> "Headers": ...


class Fields(Mapping[str, str]):
    """Headers by names of any case; those that came several times are one, with commas."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = tuple(pairs)
        self._joined: dict[str, str] = {}
        for name, value in self._pairs:
            key = name.lower()
            self._joined[key] = f"{self._joined[key]},{value}" if key in self._joined else value

    def __getitem__(self, name: str) -> str:
        return self._joined[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._joined

    def __iter__(self) -> Iterator[str]:
        return iter(self._joined)

    def __len__(self) -> int:
        return len(self._joined)

    def get_list(self, name: str) -> list[str]:
        return [value for each, value in self._pairs if each.lower() == name.lower()]

    def get_all(self) -> Iterable[tuple[str, str]]:
        return self._pairs


@dataclass(frozen=True, slots=True)
class PlainHead:
    """Of a request that a web framework has read."""

    method: str
    path: str
    headers: Fields
    query: str = ""
    protocol: str = "http"
    version: str = "HTTP/1.1"

    @property
    def host(self) -> str:
        return self.headers.get("Host", "")
