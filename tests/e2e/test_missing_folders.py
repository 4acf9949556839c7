"""Empty folders that somebody removes below the volume are made again when they are needed, without a restart."""

import shutil
from pathlib import Path

from tests.e2e.chunk_client import ChunkClient
from tests.e2e.tus import Tus
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.wire import Header, Http

FORM: Header = ("Content-Type", "multipart/form-data; boundary=b")
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%b\r\n--b--\r\n'


def remove_empty_folders(volume: Path) -> None:
    """As ``find -mindepth 1 -type d -empty -delete``."""
    for folder in sorted(volume.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def test_every_way_in_works_after_each_removal(module_server: ServerProcess) -> None:
    http, tus = Http(module_server.port), Tus(Http(module_server.port))
    volume = module_server.data_dir / "storage"
    with ChunkClient(module_server.port) as chunks:
        for size in (0, 1000, 600 * 1024, 1000):
            content = bytes(size)
            remove_empty_folders(volume)
            target = tus.created(size + 10, body=content)
            remove_empty_folders(volume)
            assert tus.patch(target, size, b"x" * 10).status == 204
            remove_empty_folders(volume)
            assert tus.content(target) == content + b"x" * 10
            assert http.request("PUT", "/upload/a.bin", body=content).status == 201
            remove_empty_folders(volume)
            assert http.request("POST", "/upload", [FORM], PART % content).status == 200
            remove_empty_folders(volume)
            upload = chunks.init()
            assert not size or chunks.chunk(upload, 0, content, size).status == 200
            remove_empty_folders(volume)
            assert chunks.complete(upload, total_chunks=int(bool(size)), total_size=size).status == 200
            aborted = tus.created(size + 10, body=content)
            shutil.rmtree(volume / "staged")
            assert tus.delete(aborted).status == 204
            assert tus.delete(target).status == 204
    remove_empty_folders(volume)
    assert http.get("/health").status == 200
    for verb in ("cleanup", "doctor"):
        done = run_verb(verb, data_dir=module_server.data_dir)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_volume_that_is_not_mounted_is_not_made_again(module_server: ServerProcess) -> None:
    tus, volume = Tus(Http(module_server.port)), module_server.data_dir / "storage"
    volume.rename(volume.with_name("elsewhere"))
    volume.mkdir()
    assert tus.create(5, body=b"hello").status == 503
    assert tus.http.request("PUT", "/upload/a.bin", body=bytes(600 * 1024)).status == 503
    assert list(volume.iterdir()) == []
    volume.rmdir()
    volume.with_name("elsewhere").rename(volume)
    assert tus.content(tus.completed(b"hello")) == b"hello"
