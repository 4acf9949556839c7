"""The dialects of ``adapters/inbound/http`` for a request that somebody else's server has read.

What ``http/engine/running.py`` does around a route of ours is done here without a connection of our own: who calls is
the program's to say, so are rate limits; a foreign page is refused as it is there, and a body that is cut keeps its
prefix.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from inspect import isawaitable
from typing import TypeAlias
from urllib.parse import unquote

from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.heads import PlainHead
from adapters.inbound.common.refusals import refuse
from adapters.inbound.common.request_id import request_id_of
from adapters.inbound.common.uris import normal_path
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.engine.framing import CutShort, check_wishes
from adapters.inbound.http.engine.refused import allowed, not_allowed
from adapters.inbound.http.engine.site import Site
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.library import Library
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.forms.form import Form
from adapters.inbound.http.uploads.resumable import Resumable
from adapters.inbound.http.uploads.tus import Tus
from adapters.inbound.http.uploads.uploads import NOWHERE, Uploads
from application.core import Core
from domain.access import STRANGER, Principal
from domain.errors import LongshoreError, Unauthenticated
from domain.upload_policy import UploadPolicy
from ports.byte_source import ByteSource

Who: TypeAlias = Callable[[], Principal | Awaitable[Principal]]
"""Says who calls; may raise Unauthenticated, or return STRANGER where links and public files are to open."""

WHOLE = ("uploads", "upload")
"""What our paths are, without the slash at their beginning,"""
BEGINNINGS = (*WHOLE, "files")
"""or what they begin with: ``/files`` itself is the program's."""
PATHS = rf"(?:(?:{'|'.join(WHOLE)})|(?:{'|'.join(BEGINNINGS)})/.*)"
"""Any that may be one of ours, as a pattern."""
_BODY_THREADS = 4


class Dialects:
    """tus and the IETF's resumable uploads, whole files, downloads and links, over one core."""

    def __init__(self, core: Core, policy: UploadPolicy, *, origins: Collection[str] = ()) -> None:
        """``origins``: foreign pages that may change something; the framework tells browsers so."""
        self._core = core
        self._policy = policy
        self._site = Site(Cors(origins))
        self._threads = ThreadPoolExecutor(_BODY_THREADS, thread_name_prefix="longshore-body")
        self.resources = lru_cache(maxsize=16)(self._resources_below)

    async def answer(self, head: PlainHead, body: ByteSource, who: Who, *, base: str = "") -> Reply:
        """``base``: what comes before our own paths; links that are handed out begin with it."""
        request_id = request_id_of(head.headers)
        resource, groups = self._found(normal_path(_below(base, head.path)), base)
        try:
            reply = await self._run(resource, groups, head, body, who=who, request_id=request_id)
        except Exception as error:  # noqa: BLE001 -- the edge: whatever it is, it is logged and answered
            refused = refuse(error, head, request_id)
            reply = Reply(refused.status, refused.headers, refused.body)
        reply.headers = {**resource.constant_headers(head.headers), **reply.headers, "X-Request-Id": request_id}
        if reply.status not in (204, 304):
            reply.headers["Content-Length"] = str(len(reply.body) if reply.size is None else reply.size)
        return reply

    async def _run(
        self,
        resource: Resource,
        groups: tuple[str, ...],
        head: PlainHead,
        body: ByteSource,
        *,
        who: Who,
        request_id: str,
    ) -> Reply:
        if resource is NOWHERE:
            raise Refusal(404, "not_found")
        if refusal := self._site.refusal(head):
            raise refusal
        check_wishes(head.headers, head.version)
        method = head.headers.get("X-HTTP-Method-Override", "").strip().upper() or head.method
        exchange = Exchange(
            request=head,
            headers=head.headers,
            body=body,
            principal=STRANGER if method == "OPTIONS" else await self._caller(who, resource),
            request_id=request_id,
            method=method,
            inform=lambda *_: None,  # no framework has a word for interim responses
            count_upload=_uncounted,
        )
        route = resource.methods.get(method)
        if route is None and method == "OPTIONS":
            return Reply(204, {"Allow": allowed(resource)})
        if route is None:
            raise not_allowed(resource)
        reply = None
        try:
            reply = await route(exchange, *groups)
        except (LongshoreError, Refusal):
            if not body.is_cut:
                raise
        if reply is None or body.is_cut:  # what a route made of half a body says nothing of its client
            raise CutShort
        return reply

    async def _caller(self, who: Who, resource: Resource) -> Principal:
        told = who()
        principal = named(await told if isawaitable(told) else told)
        if principal is STRANGER and not resource.admits_strangers:
            raise Unauthenticated("say who you are")
        return principal

    def _found(self, path: str, base: str) -> tuple[Resource, tuple[str, ...]]:
        for resource in self.resources(base):
            if found := resource.pattern.fullmatch(path):
                return resource, found.groups()
        return NOWHERE, ()

    def _resources_below(self, base: str = "") -> Sequence[Resource]:
        uploads, downloads, stored = self._core.uploads, self._core.downloads, self._core.files
        links = Links(base)
        most = self._policy.max_length_bytes
        files = Files(downloads=downloads, stored=stored, links=links)
        library = Library(files=files, stored=stored, uploads=uploads, downloads=downloads, links=links)
        tus = Tus(uploads=uploads, downloads=downloads, files=files, links=links, max_length_bytes=most)
        resumable = Resumable(
            uploads=uploads, files=files, links=links, max_length_bytes=most, lifetime=self._policy.ttl
        )
        form = Form(
            uploads=uploads,
            downloads=downloads,
            stored=stored,
            links=links,
            resumable=resumable,
            executor=self._threads,
        )
        dialects = (Uploads(tus=tus, resumable=resumable, library=library), files, library, form)
        return [resource for dialect in dialects for resource in dialect.resources()]


def named(told: object) -> Principal:
    """What a program has said of who calls, which no type checker may have looked at.

    Raises:
        TypeError
    """
    if isinstance(told, Principal):
        return told
    raise TypeError(
        f"principal returned {told!r}: it has to be user(…), guest(…), ANYBODY or STRANGER of longshore.embed"
    )


def _below(base: str, path: str) -> str:
    """What comes after ``base``, which clients may spell as they like: ``@`` and ``%40`` are the same."""
    if path.startswith(f"{base}/"):
        return path.removeprefix(base)
    meant = unquote(base)
    longest = 3 * len(meant.encode()) + 1  # every byte escaped
    ends = (slash.start() for slash in re.finditer("/", path[:longest]))
    return next((path[end:] for end in ends if unquote(path[:end]) == meant), path)


async def _uncounted() -> None:
    """How often a client may ask is the program's to say."""
