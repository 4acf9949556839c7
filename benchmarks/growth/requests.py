"""What clients ask, one request after the other on one connection, of a server with few rows and of one with many."""

import http.client
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlencode

from adapters.inbound.http.files.listing import format_cursor
from benchmarks.figures import Failed
from benchmarks.growth.rows import RARE, WHALE
from benchmarks.growth.stores import Store
from benchmarks.processes import ServerProcess, free_port, serving
from benchmarks.workbench import PROJECT
from domain.file_list import FileOrder, FilePlace
from domain.ids import FileId

PAGE = 100
_OWN = {"x-user-id": WHALE}
_ADMIN = {**_OWN, "x-user-scope": "admin"}
_TUS = {"Tus-Resumable": "1.0.0"}
_BODY = b"x" * 1000
_COLUMNS = {"created_at": "created_at", "name": "folded_name", "size": "size"}


class Client:
    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self.made: list[str] = []
        """Uploads that wait for their bytes."""
        self.files: list[str] = []

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = _OWN) -> str:
        """Where what was made is, or what was told."""
        self._http.request(method, path, body, dict(headers))
        answer = self._http.getresponse()
        told = answer.read().decode()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Failed(f"{method} {path}: {answer.status} {told[:200]}")
        return answer.headers.get("Location") or told

    def create(self) -> None:
        headers = {**_OWN, **_TUS, "Upload-Length": str(len(_BODY)), "Upload-Metadata": "filename YS5qcGc="}
        self.made.append(self.ask("POST", "/uploads", headers=headers))

    def resume(self) -> None:
        self.ask("HEAD", self.made[-1], headers={**_OWN, **_TUS})

    def complete(self) -> None:
        path = self.made.pop()
        headers = {**_OWN, **_TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        self.ask("PATCH", path, _BODY, headers)
        self.files.append(path.rpartition("/")[2])

    def keep(self) -> None:
        self.ask("PUT", "/upload/whole.bin", _BODY, _OWN)

    def open(self) -> None:
        self.ask("GET", f"/files/{self.files[-1]}/content")

    def rename(self) -> None:
        headers = {**_OWN, "Content-Type": "application/json"}
        self.ask("PATCH", f"/files/{self.files[-1]}", b'{"name": "%d"}' % time.monotonic_ns(), headers)

    def bin(self) -> None:
        self.ask("DELETE", f"/files/{self.files[-1]}?undo=1")
        self.ask("POST", f"/files/{self.files[-1]}/restore")

    def delete(self) -> None:
        self.ask("DELETE", f"/files/{self.files.pop()}")


Work = Callable[[Client], object]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one request takes, in milliseconds, for few rows and for many."""

    name: str
    few: float
    many: float

    @property
    def growth(self) -> float:
        return self.many / self.few


def works(store: Store) -> Iterator[tuple[str, Work]]:
    """In this order: what one makes the next needs."""
    yield "create an upload (POST)", Client.create
    yield "resume it (HEAD)", Client.resume
    yield "send and complete it (PATCH)", Client.complete
    yield "a whole file (PUT)", Client.keep
    yield "open a file", Client.open
    yield "rename a file", Client.rename
    yield "delete with undo, and restore", Client.bin
    yield "delete a file for good", Client.delete
    yield "list what is open", _listing({"state": "open"})
    for order in FileOrder:
        yield f"list, sort={order}, first page", _listing({"sort": order})
        if (place := _thousandth(store, order)) is not None:
            cursor = format_cursor(place, order) or ""
            yield f"list, sort={order}, 1,000th page", _listing({"sort": order, "cursor": cursor})
    yield "list, media_type=image/", _listing({"media_type": "image/"})
    yield "list, part of a name that some have", _listing({"name": "PHOTO 1"})
    yield "list, part of a name that none has", _listing({"name": "nothing"})
    yield "list, a media type that few have", _listing({"media_type": RARE})
    yield "list another's (administrator)", _listing({"owner": WHALE}, _ADMIN)
    yield "list everybody's (administrator)", _listing({"owner": "*"}, _ADMIN)
    for path in ("/admin", "/admin/cleanup", "/files", "/metrics", "/health"):
        yield f"GET {path}", partial(Client.ask, method="GET", path=path, headers=_ADMIN)
    yield "instructions, first page", lambda client: client.ask("GET", "/instructions?limit=100")
    yield "instructions that failed", lambda client: client.ask("GET", "/instructions?limit=100&status=FAILED")


def _listing(fields: Mapping[str, str], who: Mapping[str, str] = _OWN) -> Work:
    query = urlencode({"state": "completed", "limit": str(PAGE), **fields})
    return lambda client: client.ask("GET", f"/uploads?{query}", headers=who)


def _thousandth(store: Store, order: FileOrder) -> FilePlace | None:
    column, way = _COLUMNS[order.value_name], "DESC" if order.is_descending else ""
    rows = store.query(
        f"SELECT {column}, id FROM files WHERE owner = 'user:{WHALE}' AND restorable_until IS NULL"  # noqa: S608
        f" ORDER BY {column} {way}, id {way} LIMIT 1 OFFSET {999 * PAGE - 1}"
    )
    if not rows:
        return None
    key, id_ = rows[0]
    if column == "created_at" and isinstance(key, str):
        key = datetime.fromisoformat(key).replace(tzinfo=UTC)
    assert isinstance(key, (str, int, datetime))
    return FilePlace(key, FileId(str(id_)))


@contextmanager
def served(store: Store) -> Iterator[tuple[ServerProcess, int]]:
    port = free_port()
    environment = {**store.environment, "API_PORT": str(port)}
    with serving(
        [sys.executable, PROJECT / "starter.py", "serve"],
        folder=store.folder,
        environment=environment,
        log=store.folder / "log",
    ) as process:
        process.wait_until(lambda: _is_well(port))
        yield process, port


def _is_well(port: int) -> bool:
    try:
        with closing(Client(port)) as client:
            client.ask("GET", "/health")
    except (Failed, OSError):
        return False
    return True


def written_each(store: Store, count: int) -> float:
    """Bytes that the database writes for one small whole file that nobody else's commit is shared with."""
    with served(store) as (process, port), closing(Client(port)) as client:
        client.keep()
        before = store.written(process)
        for _ in range(count):
            client.keep()
        time.sleep(1.5)  # its event is forgotten
        return (store.written(process) - before) / count


def _undisturbed(seconds: Sequence[float]) -> float:
    """Milliseconds of the quickest: neighbours on the machine make the others slower, by more than the rows do."""
    return min(seconds) * 1e3


def measured(few: Store, many: Store, *, rounds: int, each: int) -> Sequence[Measured]:
    """By turns, some of this and some of that; a thousandth page is held against the first one of few."""
    beside = dict(works(few))
    with ExitStack() as stack:
        ports = [stack.enter_context(served(store))[1] for store in (few, many)]
        one, other = (stack.enter_context(closing(Client(port))) for port in ports)
        found = []
        for name, work in works(many):
            took: tuple[list[float], list[float]] = ([], [])
            does = beside.get(name) or beside[name.replace("1,000th", "first")]
            for round_ in range(rounds + 1):
                for client, asks, seconds in ((one, does, took[0]), (other, work, took[1])):
                    for _ in range(each):
                        began = time.perf_counter()
                        asks(client)
                        if round_:  # the first round warms up
                            seconds.append(time.perf_counter() - began)
            found.append(Measured(name, _undisturbed(took[0]), _undisturbed(took[1])))
    return found
