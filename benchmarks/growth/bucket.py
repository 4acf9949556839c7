"""What is asked of an S3 service for one file, by its size: counted between the server and ``rclone serve s3``."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.growth.requests import Client, served
from benchmarks.growth.rows import WHALE
from benchmarks.growth.stores import SqliteStore
from benchmarks.scale import GIB, KIB, MIB, size
from tests.support.processes.faulty_s3 import FaultyS3
from tests.support.processes.s3 import S3Server

CHUNK = 8 * MIB
_KINDS = (
    (rb"PUT \S*partNumber=", "part"),
    (rb"POST \S*\?uploads", "begin"),
    (rb"POST \S*uploadId=", "complete"),
    (rb"PUT ", "put"),
    (rb"GET \S*(list-type=|\?uploads|uploadId=)", "list"),
    (rb"GET ", "get"),
    (rb"HEAD ", "head"),
    (rb"DELETE |POST \S*\?delete", "delete"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """How many requests of each kind; S3 charges parts, begins, completions, puts and lists as writes."""

    what: str
    requests: Mapping[str, int]

    @property
    def writes(self) -> int:
        return sum(self.requests.get(kind, 0) for kind in ("part", "begin", "complete", "put", "list"))

    @property
    def reads(self) -> int:
        return sum(self.requests.get(kind, 0) for kind in ("get", "head"))


class _Counting(FaultyS3):
    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.asked: Counter[str] = Counter()

    def _choose(self, head: bytes) -> None:
        self.asked[next((kind for pattern, kind in _KINDS if re.match(pattern, head)), "other")] += 1


def asked_for(folder: Path, *, largest: int) -> Iterator[Asked]:
    with S3Server() as service, _Counting(service.endpoint) as counting:
        address = service.create_bucket()
        settings = {**service.settings(address), "S3_ENDPOINT": counting.endpoint}
        settings["STORAGE_URL"] = f"s3://{address.name}?endpoint={counting.endpoint}&region={address.region}"
        store = SqliteStore(folder, 1)
        store.more_settings.update(settings)
        store.fill()
        with served(store) as (_, port), closing(Client(port)) as client:
            client.ask("PUT", "/upload/first.bin", b"first")
            for length in (KIB, 100 * KIB, MIB, 10 * MIB, 100 * MIB, GIB):
                if length <= largest:
                    yield _asked(counting, f"{size(length)}, one request", partial(_put, client, length))
            if largest >= 100 * MIB:
                yield _asked(counting, "100 MiB, requests of 8 MiB (tus)", lambda: _send(client, 100 * MIB))
                yield _asked(counting, "10 MiB, requests of 64 KiB (tus)", lambda: _send(client, 10 * MIB, 64 * KIB))
            yield _asked(counting, "deleted", lambda: client.ask("DELETE", f"/files/{client.files.pop()}"))
            yield _asked(counting, "nothing, a minute", lambda: time.sleep(60))


def _asked(counting: _Counting, what: str, does: Callable[[], object]) -> Asked:
    counting.asked.clear()
    does()
    time.sleep(1.5)  # what is tidied up after the answer
    return Asked(what, dict(counting.asked))


def _put(client: Client, length: int) -> None:
    client.ask("PUT", "/upload/some.bin", bytes(length))


def _send(client: Client, length: int, chunk: int = CHUNK) -> None:
    tus = {"x-user-id": WHALE, "Tus-Resumable": "1.0.0"}
    path = client.ask("POST", "/uploads", headers={**tus, "Upload-Length": str(length)})
    for at in range(0, length, chunk):
        headers = {**tus, "Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
        client.ask("PATCH", path, bytes(min(chunk, length - at)), headers)
    client.files.append(path.rpartition("/")[2])
