"""``/admin``: what an administrator looks at, and has tried again. Where everything is everyone's, anybody is one."""

import re
from collections.abc import Sequence
from dataclasses import replace

from adapters.inbound.common.auth import Authenticator
from adapters.inbound.common.encoding import format_instant
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply
from adapters.inbound.http.operations.caller import is_administrator
from application.administration import AdministrationUseCase, DiskFigures
from application.views import UploadView
from domain.access import Principal
from domain.ids import parse_job_id
from domain.job import Job, JobState
from domain.upload_policy import UploadPolicy

_NOT_KEPT = {"Cache-Control": "no-store"}


class AdminRoutes:
    """Beside what any route may answer: 403 to all but administrators; ``retry``: 404, there is no such dead job."""

    def __init__(
        self, administration: AdministrationUseCase, authenticator: Authenticator, policy: UploadPolicy
    ) -> None:
        self._administration = administration
        self._authenticator = authenticator
        self._policy = policy

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(re.compile(r"/admin/?"), {"GET": self.get, "HEAD": self.get}),
            Resource(re.compile(r"/admin/cleanup/?"), {"GET": self.cleanup, "HEAD": self.cleanup}),
            Resource(re.compile(r"/admin/jobs/(?P<id>[^/]+)/retry/?"), {"POST": self.retry}),
        ]

    async def get(self, exchange: Exchange) -> Reply:
        seen = await self._administration.overview(self._caller(exchange))
        content: dict[str, object] = {
            "disks": [_told_disk(disk) for disk in seen.disks],
            "usage": {
                "open_uploads": seen.usage.open_uploads,
                "files": seen.usage.files,
                "bytes": seen.usage.bytes,
            },
            "quota": {
                "open_uploads": self._policy.max_open_uploads,
                "files": self._policy.max_files,
                "bytes": self._policy.max_bytes,
            },
            "jobs": {state.lower(): seen.jobs.get(state, 0) for state in JobState},
            "dead_jobs": [_told_job(job) for job in seen.dead_jobs],
            "open_uploads": [_told_upload(view) for view in seen.open_uploads],
        }
        return json_reply(content, headers=_NOT_KEPT)

    async def cleanup(self, exchange: Exchange) -> Reply:
        """As ``starter.py cleanup --dry-run``."""
        cleaned, inputs = await self._administration.foresee_cleanup(self._caller(exchange))
        content = {
            "expired_uploads": cleaned.expired_uploads,
            "orphans": cleaned.orphans,
            "deleted_blobs": cleaned.deleted_blobs,
            "forgotten_uploads": cleaned.forgotten_uploads,
            "instruction_inputs": inputs,
        }
        return json_reply(content, headers=_NOT_KEPT)

    async def retry(self, exchange: Exchange, text: str) -> Reply:
        job = await self._administration.retry(self._caller(exchange), parse_job_id(text))
        return json_reply(_told_job(job), headers=_NOT_KEPT)

    def _caller(self, exchange: Exchange) -> Principal:
        principal = exchange.principal
        is_admin = is_administrator(self._authenticator.mode, is_admin=principal.is_admin)
        return replace(principal, is_admin=is_admin)


def _told_disk(disk: DiskFigures) -> dict[str, object]:
    return {"name": disk.name, "size": disk.size, "free": disk.free}


def _told_job(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "kind": job.kind,
        "subject": job.subject,
        "state": job.state,
        "attempts": job.attempts,
        "error": job.error,
        "created_at": format_instant(job.created_at),
    }


def _told_upload(view: UploadView) -> dict[str, object]:
    return {
        "id": view.id,
        "owner": view.owner,
        "filename": view.metadata.filename,
        "offset": view.offset,
        "length": view.length,
        "state": view.state,
        "created_at": format_instant(view.created_at),
        "expires_at": format_instant(view.expires_at),
    }
