"""tus 1.0.0, termination: an upload, finished or not, goes for good. Contract §2.1; tus §Termination."""

from pathlib import Path

import pytest

from tests.e2e.tus import Tus, id_of
from tests.support.processes.server import ServerProcess


@pytest.mark.parametrize("state", ["new", "begun", "completed"])
def test_a_terminated_upload_is_gone_for_every_verb(tus: Tus, state: str) -> None:
    assert "termination" in tus.extensions()
    target = tus.created(5) if state != "completed" else tus.completed(b"hello")
    if state == "begun":
        tus.patch(target, 0, b"he")
    answer = tus.delete(target)
    assert (answer.status, answer.body, answer.header("Tus-Resumable")) == (204, b"", "1.0.0")
    head = tus.head(target)
    assert head.status in (404, 410)
    assert head.header("Upload-Offset") is None
    assert tus.patch(target, 0, b"hello").status in (404, 410)
    assert tus.delete(target).status in (404, 410)
    # tus-js-client's own end-to-end specs want 404 for what had been complete.
    assert tus.http.get(target).status in ((404,) if state == "completed" else (404, 410))
    assert id_of(target) not in tus.open_uploads()


def test_termination_frees_the_bytes(tus: Tus, module_server: ServerProcess) -> None:
    marks = {"begun": b"terminated while begun " * 5_000, "completed": b"terminated when completed " * 5_000}
    begun, completed = tus.created(1_000_000), tus.completed(marks["completed"])
    tus.patch(begun, 0, marks["begun"])
    assert {name for name, mark in marks.items() if _is_stored(module_server.data_dir, mark)} == marks.keys()
    assert tus.delete(begun).status == tus.delete(completed).status == 204
    assert not [name for name, mark in marks.items() if _is_stored(module_server.data_dir, mark)]


def test_an_unknown_upload_cannot_be_terminated(tus: Tus) -> None:
    assert tus.delete("/uploads/" + "0123456789abcdef" * 2).status == 404


def test_termination_needs_no_content_length_and_stands_one(tus: Tus) -> None:
    assert tus.delete(tus.created(5), ("Content-Length", "0")).status == 204


def _is_stored(data_dir: Path, content: bytes) -> bool:
    return any(content[:1000] in path.read_bytes() for path in (data_dir / "storage").rglob("*") if path.is_file())
