"""By strace: the bytes are durable, then the row that counts them is, and only then the client hears of it.

The ack rule of CONTRIBUTING.md. The server is watched from outside; what belongs to whom is told by the client's
port, the name of the staged file and the order of the calls.
"""

import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from tests.chaos.rig.client import ResumingUpload
from tests.chaos.rig.content import Content
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import staged_file, wrong_content
from tests.chaos.rig.writer import writer_of, written_by
from tests.e2e.image_client import ImageClient, picture
from tests.support.processes.server import ServerProcess
from tests.support.processes.strace import FILE_WRITES, RENAMES, SYNCS, Call, Strace, Trace, is_log, parse
from tests.support.wire import Http

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

_KIB = 1024


@pytest.mark.parametrize("chunk", [1, 64 * _KIB, 300 * _KIB, 9000 * _KIB])
def test_a_chunk_is_answered_after_its_bytes_and_its_row_are_durable(tmp_path: Path, chunk: int) -> None:
    """One byte, one small body, one that is streamed, one that is longer than a checkpoint."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = _begin(server, length=chunk * 3 + 1, chunk=chunk)
        staged = staged_file(server.data_dir / "storage", upload) if chunk >= 16 else None
        with Strace(server.pid, tmp_path / "trace") as strace:
            for _ in range(2):
                upload.send(upload.promised)
        upload.close()
        staged = staged or _the_only_file_written(strace.trace())
        assert early_answers(strace.trace(), upload, staged, chunk=chunk) == []


def test_the_first_chunk_is_answered_after_its_folder_entry_is_durable(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = ResumingUpload(server.url, Content(1, 500_000), chunk_sizes=[100_000])
        with Strace(server.pid, tmp_path / "trace") as strace:
            upload.create()
            upload.send(0)
        upload.close()
        trace = strace.trace()
        staged = staged_file(server.data_dir / "storage", upload)
        created, answer = trace.answers(upload.acknowledgements[-1].client_port)
        assert created.answer == 201 and answer.answer == 204
        assert _synced_log(trace, after=-1, before=created), "201 came before the upload's row was durable"
        assert early_answers(trace, upload, staged, chunk=100_000, first=1) == []
        appeared = trace.select("open", "openat", "creat", where=lambda call: str(staged) in call.paths)[0]
        folders = [call for call in trace.syncs_of(str(staged.parent)) if call.entered > appeared.left]
        assert folders and folders[0].left < answer.entered, "204 came before the folder entry was durable"
        assert folderless(trace, before=answer) == []


@pytest.mark.parametrize("clients", [4])
def test_acknowledgements_that_share_a_commit_still_wait_for_it(tmp_path: Path, clients: int) -> None:
    """Group commit: several clients at once, 64 KiB each time."""
    chunk, rounds = 64 * _KIB, 12
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        uploads = [_begin(server, length=chunk * (rounds + 2), chunk=chunk, seed=seed) for seed in range(clients)]
        staged = [staged_file(server.data_dir / "storage", upload) for upload in uploads]
        with Strace(server.pid, tmp_path / "trace") as strace:
            _side_by_side(uploads, rounds)
        trace = strace.trace()
        for upload, file in zip(uploads, staged, strict=True):
            upload.close()
            assert early_answers(trace, upload, file, chunk=chunk) == []


@pytest.mark.serial
def test_what_a_process_beside_the_server_writes_is_acknowledged_no_earlier(tmp_path: Path) -> None:
    """Eight connections at once, 64 KiB each time: uploads that were begun before, and as many new ones."""
    chunk, rounds = 64 * _KIB, 8
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        uploads = [_begin(server, length=chunk * 200, chunk=chunk, seed=seed) for seed in range(8)]
        writer = _with_a_writer(server, uploads)
        staged = [staged_file(server.data_dir / "storage", upload) for upload in uploads]
        fresh = [ResumingUpload(server.url, Content(8 + n, chunk * 10), chunk_sizes=[chunk]) for n in range(8)]
        with Strace(server.pid, tmp_path / "trace", others=[writer.pid]) as strace:
            _side_by_side(uploads, rounds)
            for upload in fresh:
                upload.create()
            _side_by_side(fresh, rounds)
        trace = strace.trace()
        assert trace.select(*SYNCS, where=lambda call: call.thread == writer.pid and is_log(call.target)), (
            "the process recorded nothing"
        )
        written = 0
        for upload, file in zip(uploads, staged, strict=True):
            upload.close()
            assert early_answers(trace, upload, file, chunk=chunk) == []
            written += sum(call.thread == writer.pid for call in trace.writes_to(str(file)))
        for upload in fresh:
            upload.close()
            file = staged_file(server.data_dir / "storage", upload)
            assert early_answers(trace, upload, file, chunk=chunk, first=1) == []
            first = next(call for call in trace.answers(upload.acknowledgements[-1].client_port) if call.answer == 204)
            assert entryless(trace, file, before=first) == []
            written += sum(call.thread == writer.pid for call in trace.writes_to(str(file)))
        assert written > 16 * rounds * 3 // 4, "the process was hardly asked"


def test_the_last_chunk_is_answered_after_rename_folder_and_commit_are_durable(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = _begin(server, length=700_000, chunk=600_000)
        staged = staged_file(server.data_dir / "storage", upload)
        with Strace(server.pid, tmp_path / "trace") as strace:
            upload.send(upload.promised)
        upload.close()
        trace = strace.trace()
        answer = trace.answers(upload.acknowledgements[-1].client_port)[-1]
        assert answer.answer == 204
        assert early_answers(trace, upload, staged, chunk=100_000) == []

        renamed = trace.select(*RENAMES, where=lambda call: str(staged) in call.paths)[0]
        last_sync = trace.syncs_of(str(staged))[-1]
        assert last_sync.left < renamed.entered, "renamed before its bytes were durable"
        folder = Path(renamed.paths[-1]).parent
        folders = [call for call in trace.syncs_of(str(folder)) if call.entered > renamed.left]
        assert folders, "the folder of the sealed blob was never synced"
        assert _synced_log(trace, after=folders[0].left, before=answer), (
            "no commit between the folder's sync and the answer"
        )
        assert wrong_content(server.url, [upload]) == []


@pytest.mark.parametrize("connections", [1, 8])
def test_a_small_file_is_answered_after_its_bytes_its_name_and_its_rows_are_durable(
    tmp_path: Path, connections: int
) -> None:
    """By a thread of the server, and by the process beside it."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        writer = None
        until = time.monotonic() + 20
        while connections > 1 and writer is None and time.monotonic() < until:
            _put_side_by_side(server, connections, 4)
            writer = writer_of(server.pid)
        others = [writer.pid] if writer else []
        with Strace(server.pid, tmp_path / "trace", others=others) as strace:
            ports = _put_side_by_side(server, connections, 3)
        trace = strace.trace()
        answers = [answer for port in ports for answer in trace.answers(port)]
        links = trace.select("link", "linkat")
        assert len(answers) == len(links) == 3 * connections
        assert {answer.answer for answer in answers} == {201}
        if writer:
            assert {link.thread for link in links} == {writer.pid}
        # Which file is whose can't be seen; but none is answered before its own, so the first n before the n-th.
        durable = sorted(_durable(trace, link) for link in links)
        for count, answer in enumerate(sorted(answers, key=lambda call: call.entered)):
            assert durable[count] < answer.entered
            assert _synced_log(trace, after=durable[count], before=answer), "no commit between the name's sync and it"


def test_a_received_picture_is_answered_after_its_bytes_its_folders_and_its_rows_are_durable(tmp_path: Path) -> None:
    env = {**CHAOS, "WORKERS_INLINE": "0"}  # thumbnails have folders of their own, which nobody has been told of
    with ServerProcess(tmp_path / "data", env) as server, ImageClient(Http(server.port)) as client:
        client.upload(0, picture(0))  # whoever looks at pictures is there
        with Strace(server.pid, tmp_path / "trace") as strace:
            name = client.upload(0, picture(1))["file_name"]
            client.session_id = client.user_id  # another folder
            other = client.upload(0, picture(2))["file_name"]
        trace = strace.trace()
    for kept in (name, other):
        (answer,) = trace.select("sendto", where=lambda call: call.peer_port > 0 and kept in call.arguments)  # noqa: B023
        (renamed,) = trace.select(*RENAMES, where=lambda call: kept in call.paths[-1])  # noqa: B023
        staged, blob = renamed.paths
        synced = [call for call in trace.syncs_of(staged) if call.left < renamed.entered]
        assert synced and synced[-1].entered > trace.writes_to(staged)[-1].left, "renamed before its bytes were durable"
        named = next(call for call in trace.syncs_of(str(Path(blob).parent)) if call.entered > renamed.left)
        assert _synced_log(trace, after=named.left, before=answer), "no commit between the name's sync and the answer"
        assert folderless(trace, before=answer) == []


def _durable(trace: Trace, link: Call) -> int:
    """When the bytes and the blob's name of a small file were durable, in that order."""
    staged, blob = link.paths
    written = trace.writes_to(staged)[-1]
    [synced] = [call for call in trace.syncs_of(staged) if call.entered > written.left]
    assert synced.left < link.entered, "linked before its bytes were durable"
    named = next(call for call in trace.syncs_of(str(Path(blob).parent)) if call.entered > link.left)
    return named.left


def _put_side_by_side(server: ServerProcess, connections: int, rounds: int) -> list[int]:
    """Files of 20 kB by ``PUT``; the client's ports."""
    clients = [HTTPConnection("127.0.0.1", server.port) for _ in range(connections)]

    def send(client: HTTPConnection) -> None:
        for number in range(rounds):
            client.request("PUT", f"/upload/{number}.bin", bytes(20_000))
            client.getresponse().read()

    for client in clients:
        client.connect()
    ports = [int(client.sock.getsockname()[1]) for client in clients]
    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    return ports


def test_without_durability_the_same_watch_sees_answers_that_come_too_early(tmp_path: Path) -> None:
    """If this one fails, the tests above see nothing."""
    with ServerProcess(tmp_path / "data", {**CHAOS, "DURABILITY": "none"}) as server:
        upload = _begin(server, length=300 * _KIB, chunk=64 * _KIB)
        staged = staged_file(server.data_dir / "storage", upload)
        with Strace(server.pid, tmp_path / "trace") as strace:
            upload.send(upload.promised)
        upload.close()
        assert early_answers(strace.trace(), upload, staged, chunk=64 * _KIB) != []


def test_an_answer_that_strace_left_under_way_is_one() -> None:
    """The client has read it, and is quicker than the call's return."""
    begun = '7 1.0 sendto(18<TCP:[127.0.0.1:80->127.0.0.1:389]>, "HTTP/1.1 204", 12'
    for log in (f"{begun} <unfinished ...>\n8 1.1 fsync(3</a> <detached ...>", f"{begun} <detached ...>"):
        (answer,) = parse(log).select("sendto")
        assert (answer.answer, answer.peer_port) == (204, 389)


def early_answers(trace: Trace, upload: ResumingUpload, staged: Path, *, chunk: int, first: int = 0) -> list[str]:
    """One line per 204 of the upload (from the ``first`` answer of its connection on) that broke the ack
    rule.
    """
    port = upload.acknowledgements[-1].client_port
    answers = [call for call in trace.answers(port)[first:] if call.answer == 204]
    assert answers, "strace saw no answer: the watch is blind"
    faults = []
    previous = -1
    for number, answer in enumerate(answers):
        writes = [call for call in trace.writes_to(str(staged)) if previous < call.entered < answer.entered]
        syncs = [call for call in trace.syncs_of(str(staged)) if previous < call.entered < answer.entered]
        fault = _early(trace, answer, writes, syncs, chunk)
        if fault:
            faults.append(f"answer {number} on {staged.name}: {fault}")
        previous = answer.left
    return faults


def _early(trace: Trace, answer: Call, writes: Sequence[Call], syncs: Sequence[Call], chunk: int) -> str:
    written = sum(call.result for call in writes)
    if written < chunk:
        return f"only {written} of {chunk} bytes were written before it"
    last_write = max(call.left for call in writes)
    after = [call for call in syncs if call.entered > last_write and call.left < answer.entered]
    if not after:
        return "the bytes were not synced between their last write and it"
    if not _synced_log(trace, after=after[0].left, before=answer):
        return "no commit was synced between the bytes' sync and it"
    return ""


def _synced_log(trace: Trace, *, after: int, before: Call) -> bool:
    """Whether something was written to the database's log past ``after`` and synced before that answer."""
    for write in trace.select(*FILE_WRITES, where=lambda call: is_log(call.target)):
        if write.entered > after and any(
            sync.entered > write.left and sync.left < before.entered for sync in trace.syncs_of(write.target)
        ):
            return True
    return False


def entryless(trace: Trace, file: Path, *, before: Call) -> list[str]:
    """Says so if the file's folder entry was not durable when the answer went out."""
    appeared = trace.select("open", "openat", "creat", where=lambda call: str(file) in call.paths)[0]
    folders = [call for call in trace.syncs_of(str(file.parent)) if call.entered > appeared.left]
    return [] if folders and folders[0].left < before.entered else [f"the entry of {file.name} was not durable"]


def folderless(trace: Trace, *, before: Call) -> list[str]:
    """Folders that were made and whose entry was not durable when the answer went out."""
    made = [(call, Path(call.paths[-1])) for call in trace.select("mkdir", "mkdirat") if call.entered < before.entered]
    return [
        str(folder)
        for call, folder in made
        if not any(
            call.left < sync.entered and sync.left < before.entered
            for sync in trace.select(*SYNCS, where=lambda call: call.target == str(folder.parent))  # noqa: B023
        )
    ]


def _begin(server: ServerProcess, *, length: int, chunk: int, seed: int = 1) -> ResumingUpload:
    """An upload whose first chunk is there already, on a connection that stays open."""
    upload = ResumingUpload(server.url, Content(seed, length), chunk_sizes=[chunk])
    upload.create()
    upload.send(0)
    return upload


def _with_a_writer(server: ServerProcess, uploads: Sequence[ResumingUpload]) -> psutil.Process:
    """Go on with the uploads until the process is there, and takes all of their chunks."""
    for _ in range(20):
        writer = writer_of(server.pid)
        before = written_by(writer) if writer else 0
        _side_by_side(uploads, 4)
        # It writes what it records, too.
        if writer and written_by(writer) - before >= sum(4 * 64 * _KIB for _ in uploads):
            return writer
    raise AssertionError("no process came to write the chunks")


def _side_by_side(uploads: Sequence[ResumingUpload], rounds: int) -> None:
    def send(upload: ResumingUpload) -> None:
        for _ in range(rounds):
            upload.send(upload.promised)

    threads = [threading.Thread(target=send, args=(upload,)) for upload in uploads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _the_only_file_written(trace: Trace) -> Path:
    targets = {
        call.target for call in trace.select(*FILE_WRITES) if call.target.startswith("/") and not is_log(call.target)
    }
    files = {target for target in targets if "/storage/" in target}
    assert len(files) == 1, f"one staged file was expected, these were written: {sorted(targets)}"
    return Path(files.pop())
