"""Where a server takes uploads by tus 1.0, and what it can do: asked once, before the first file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from longshore.client.errors import ClientError, NotAllowed, Refused
from longshore.client.server import PASSING, Server

VERSION = {"Tus-Resumable": "1.0.0"}
_STRONGEST = ("sha256", "sha1", "crc32", "md5")


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    extensions: frozenset[str]
    algorithms: Sequence[str]
    max_size: int | None
    is_ours: bool = False
    """Whether it is Longshore's: files and digests are to be asked for as well."""

    @property
    def takes_first_bytes(self) -> bool:
        """Whether a creation may bring the file along."""
        return "creation-with-upload" in self.extensions

    def algorithm(self, wanted: str) -> str | None:
        """How each body is checked; None: not at all. ``wanted``: an algorithm, ``auto`` or ``none``.

        Raises:
            Refused: the server does not know that one.
        """
        if wanted == "none":
            return None
        if wanted == "auto":
            return next((name for name in _STRONGEST if name in self.algorithms), None)
        if wanted not in self.algorithms:
            raise Refused(400, f"the server can check: {', '.join(self.algorithms) or 'nothing'}", code="no_checksum")
        return wanted


async def endpoint_of(server: Server) -> Endpoint:
    """At ``/uploads`` below the server's URL, as ours is; or, of another server, that URL itself.

    Raises:
        Refused: neither speaks tus; or it does not say now, or not to us.
        ServerAway
    """
    refusal: ClientError | None = None
    for url in (server.at("/uploads"), f"{server.url}/", server.url):
        try:
            response = await server.ask("OPTIONS", url, headers=VERSION)
        except Refused as error:
            if isinstance(error, NotAllowed) or error.status in PASSING:  # speaks of who asks, or when: not of where
                raise
            refusal = refusal or error
            continue
        if "1.0.0" in response.headers.get("Tus-Version", "").replace(" ", "").split(","):
            return _endpoint(
                url, response.headers, is_ours=url == server.at("/uploads") and await _is_longshore(server)
            )
    raise Refused(400, f"{server.url} does not speak tus 1.0", code="no_tus") from refusal


async def _is_longshore(server: Server) -> bool:
    try:
        told = await server.json("GET", server.at("/"), headers={"Accept": "application/json"})
    except ClientError:
        return False
    return told.get("message") == "Longshore"


def _endpoint(url: str, headers: Mapping[str, str], *, is_ours: bool) -> Endpoint:
    max_size = headers.get("Tus-Max-Size", "")
    return Endpoint(
        url=url,
        extensions=frozenset(_words(headers.get("Tus-Extension", ""))),
        algorithms=_words(headers.get("Tus-Checksum-Algorithm", "")),
        max_size=int(max_size) if max_size.isdigit() else None,
        is_ours=is_ours,
    )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
