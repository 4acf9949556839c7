"""The connection to the service: one request after another, each bounded in time and tried again where that can help.

A body is never sent without a proof of it (CRC-64/NVME where the server takes it, else MD5) that the server compares
before it says yes.
"""

import asyncio
import base64
import functools
import hashlib
import io
from dataclasses import dataclass
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from awscrt.checksums import crc64nvme

from adapters.outbound.s3.address import BucketAddress
from adapters.outbound.s3.errors import NotSupported, translated
from domain.errors import StorageUnavailable

_CONNECTIONS = 64

# It keeps the service's description, which takes long to load.
_session = functools.cache(get_session)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection and an answer are waited for, and how often a request is sent that may be sent again."""

    connect_seconds: float = 5.0
    answer_seconds: float = 30.0
    attempts: int = 4


PATIENCE = Patience()


class Connection:
    """``open`` it before anything else; it belongs to the event loop that did.

    The client library has no types: what it takes and gives is looked at here, in ``bucket.py`` and in
    ``multiparts.py``, nowhere else.
    """

    def __init__(self, address: BucketAddress, patience: Patience) -> None:
        self.address = address
        self._patience = patience
        self.takes_crc = True
        """Until it refuses one."""
        self._checks_crc = False  # until it repeats one
        self._client: Any = None
        self._context: Any = None

    async def open(self) -> None:
        address, patience = self.address, self._patience
        config = AioConfig(
            signature_version="s3v4",
            # The body is proved by its checksum; signing would hash it on the event loop.
            s3={"addressing_style": "path" if address.endpoint else "auto", "payload_signing_enabled": False},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=patience.connect_seconds,
            read_timeout=patience.answer_seconds,
            max_pool_connections=_CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": patience.attempts},
        )
        with translated():
            self._context = _session().create_client(
                "s3",
                endpoint_url=address.endpoint,
                region_name=address.region,
                aws_access_key_id=address.access_key,
                aws_secret_access_key=address.secret_key,
                config=config,
            )
            self._client = await self._context.__aenter__()

    async def close(self) -> None:
        if self._context is not None:
            await self._context.__aexit__(None, None, None)
            self._context = self._client = None

    async def call(self, operation: str, **parameters: Any) -> Any:  # noqa: ANN401
        """Errors are the library's own: the caller knows what they speak of (``errors.py``)."""
        return await getattr(self._opened, operation)(Bucket=self.address.name, **parameters)

    async def send(self, operation: str, data: bytes, **parameters: Any) -> Any:  # noqa: ANN401
        """As ``call``, with a body; what is said of it is translated, for another proof may do."""
        takes_crc = self.takes_crc
        proofs = await asyncio.to_thread(_proofs, data, crc=takes_crc, md5=not self._checks_crc)
        try:
            with translated():
                answer = await self.call(operation, Body=io.BytesIO(data), **proofs, **parameters)
        except NotSupported:
            if not takes_crc and "IfNoneMatch" not in parameters:
                raise
            if not takes_crc:
                del parameters["IfNoneMatch"]
            self.takes_crc = self._checks_crc = False
            return await self.send(operation, data, **parameters)
        self._checks_crc = self.takes_crc and "ChecksumCRC64NVME" in answer
        return answer

    async def sign(self, operation: str, *, seconds: int, **parameters: Any) -> str:  # noqa: ANN401
        """A URL that stands for the request, for anybody, for so long."""
        return str(
            await self._opened.generate_presigned_url(
                operation, Params={"Bucket": self.address.name, **parameters}, ExpiresIn=seconds
            )
        )

    @property
    def _opened(self) -> Any:  # noqa: ANN401
        if self._client is None:
            raise StorageUnavailable("the bucket is closed")
        return self._client


def _proofs(data: bytes, *, crc: bool, md5: bool) -> dict[str, str]:
    """In a thread. MD5 is no secret's keeper here: it is what every S3 service compares."""
    proofs = {}
    if crc:
        proofs["ChecksumCRC64NVME"] = _base64(crc64nvme(data).to_bytes(8, "big"))
    if md5:
        proofs["ContentMD5"] = _base64(hashlib.md5(data, usedforsecurity=False).digest())
    return proofs


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
