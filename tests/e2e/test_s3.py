"""A server on a bucket: links to it, another process that goes on, a bucket that is not ours, faults of the service."""

import hashlib
import os
import socket
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chaos.rig.client import ResumingUpload, mixed_chunk_sizes
from tests.chaos.rig.content import Content
from tests.chaos.rig.verify import lost_promises, wrong_content
from tests.e2e.conftest import ROOMY, StartServer
from tests.e2e.tus import Tus, id_of, metadata
from tests.support.ports import free_port
from tests.support.processes.faulty_s3 import FaultyS3
from tests.support.processes.s3 import S3Server
from tests.support.processes.server import ServerProcess, lay_out_database, run_verb
from tests.support.wire import Http

MIB = 1024 * 1024


@pytest.fixture
def env(s3: S3Server) -> dict[str, str]:
    """A bucket nobody has used before."""
    return s3.settings(s3.create_bucket())


def test_a_download_is_sent_to_the_bucket_and_comes_back_whole(start_server: StartServer, env: dict[str, str]) -> None:
    tus = Tus(Http(start_server(**env).port))
    data = os.urandom(9 * MIB)
    target = f"/files/{id_of(tus.completed(data, metadata(filename='Ünder wäy.bin', filetype='image/png')))}/content"
    answer = tus.http.get(target)
    assert (answer.status, answer.header("Cache-Control")) == (307, "no-store")
    origin = "http://" + urlsplit(str(answer.header("Location"))).netloc
    assert f"img-src 'self' {origin} " in str(tus.http.get("/").header("Content-Security-Policy")), "previews show it"
    with urllib.request.urlopen(str(answer.header("Location"))) as fetched:  # noqa: S310 -- our own
        assert fetched.headers["Content-Type"] == "image/png"
        assert fetched.headers["Content-Disposition"].startswith("inline; filename=")
        assert "filename*=UTF-8''%C3%9Cnder%20w%C3%A4y.bin" in fetched.headers["Content-Disposition"]
        assert hashlib.sha256(fetched.read()).digest() == hashlib.sha256(data).digest()
    part = urllib.request.Request(str(answer.header("Location")), headers={"Range": "bytes=5-14"})  # noqa: S310
    with urllib.request.urlopen(part) as fetched:  # noqa: S310 -- our own
        assert fetched.read() == data[5:15]


def test_what_the_bucket_can_not_answer_for_us_is_answered_here(start_server: StartServer, env: dict[str, str]) -> None:
    tus = Tus(Http(start_server(**env).port))
    target = f"/files/{id_of(tus.completed(b'hello'))}/content"
    head = tus.http.request("HEAD", target)
    etag = str(head.header("ETag"))
    assert (head.status, head.header("Content-Length")) == (200, "5")
    assert tus.http.get(target, ("If-None-Match", etag)).status == 304
    assert tus.http.get(target, ("If-Match", '"other"')).status == 412
    assert tus.http.get(target, ("Range", "bytes=9-")).status == 416
    ranged = tus.http.get(target, ("Range", "bytes=1-2"), ("If-Range", etag))
    assert (ranged.status, ranged.body) == (206, b"el")


def test_another_process_goes_on_where_one_was_killed(
    tmp_path: Path, s3: S3Server, env: dict[str, str], server_postgres_url: str
) -> None:
    env |= {"DATABASE_URL": server_postgres_url, "EVENTS_URL": "postgres://", "S3_PROXY": "1", **ROOMY}
    with ServerProcess(tmp_path / "one", env) as one, ServerProcess(tmp_path / "two", env) as two:
        sizes = [[100_000, 1], [6 * MIB], [14 * MIB], mixed_chunk_sizes(4), [*[1000] * 20, 9 * MIB]]
        uploads = [
            ResumingUpload(one.url, Content(number, 14 * MIB + number), chunk_sizes=chunk_sizes)
            for number, chunk_sizes in enumerate(sizes)
        ]
        for upload in uploads:
            upload.create()
        threads = [threading.Thread(target=_send_until_killed, args=(upload,), daemon=True) for upload in uploads]
        for thread in threads:
            thread.start()
        time.sleep(1.0)
        one.kill()
        for thread in threads:
            thread.join(60)
        assert any(upload.promised for upload in uploads)
        moved = [_moved(upload, two.url) for upload in uploads]
        for upload in moved:
            upload.run(within=60)
        assert [line for upload in moved for line in upload.broken_promises] == []
        assert lost_promises(two.url, moved) == []
        assert wrong_content(two.url, moved) == []
        assert run_verb("doctor", "--scrub", data_dir=two.data_dir, env=env).returncode == 0


def _send_until_killed(upload: ResumingUpload) -> None:
    offset: int | None = 0
    try:
        while offset is not None and offset < upload.content.length:
            offset = upload.send(offset)
    except OSError:
        pass
    finally:
        upload.close()


def _moved(upload: ResumingUpload, url: str) -> ResumingUpload:
    """The same upload, by a client that knows the other server."""
    moved = ResumingUpload(url, upload.content, chunk_sizes=[5 * MIB + 1, 70_000])
    moved.location, moved.promised = upload.location, upload.promised
    return moved


def test_no_fault_of_the_service_loses_an_acknowledged_byte(tmp_path: Path, s3: S3Server) -> None:
    with FaultyS3(s3.endpoint) as faulty:
        address = s3.create_bucket()
        env = s3.settings(address) | ROOMY | {"S3_PROXY": "1"}
        env["STORAGE_URL"] = f"s3://{address.name}?endpoint={faulty.endpoint}&region={address.region}"
        with ServerProcess(tmp_path / "data", env) as server:
            faulty.faults, faulty.share = [500, 503, "slow", "lost", "200-with-error", "200-with-error"], 0.25
            uploads = [
                ResumingUpload(server.url, Content(number, 11 * MIB + number), chunk_sizes=sizes)
                for number, sizes in enumerate([[700_000], [6 * MIB], [11 * MIB], mixed_chunk_sizes(4)])
            ]
            threads = [threading.Thread(target=upload.run, kwargs={"within": 90}, daemon=True) for upload in uploads]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(100)
            faulty.share = 0.0
            assert all(upload.complete for upload in uploads)
            assert [line for upload in uploads for line in upload.broken_promises] == []
            assert [upload.surprises for upload in uploads if upload.surprises] == []
            assert wrong_content(server.url, uploads) == []
            assert {500, 503, "slow", "lost"} <= faulty.done.keys()


def test_a_service_that_is_away_is_said_to_be_and_comes_back(tmp_path: Path, s3: S3Server) -> None:
    with FaultyS3(s3.endpoint) as faulty:
        address = s3.create_bucket()
        env = s3.settings(address) | ROOMY
        env["STORAGE_URL"] = f"s3://{address.name}?endpoint={faulty.endpoint}&region={address.region}"
        with ServerProcess(tmp_path / "data", env) as server:
            tus = Tus(Http(server.port))
            upload = tus.created(5)
            faulty.faults, faulty.share = [503], 1.0
            health = tus.http.get("/health")
            assert (health.status, health.json()["services"]["storage"]) == (503, False)
            answer = tus.patch(upload, 0, b"hello")
            assert answer.status == 503
            assert answer.header("Retry-After")
            faulty.share = 0.0
            assert tus.patch(upload, 0, b"hello").status == 204
            assert tus.http.get("/health").status == 200


def test_a_file_deleted_while_the_service_is_away_goes_with_a_later_cleanup(tmp_path: Path, s3: S3Server) -> None:
    with FaultyS3(s3.endpoint) as faulty:
        address = s3.create_bucket()
        env = s3.settings(address) | ROOMY | {"CLEANUP_AFTER": "100ms"}
        env["STORAGE_URL"] = f"s3://{address.name}?endpoint={faulty.endpoint}&region={address.region}"
        with ServerProcess(tmp_path / "data", env) as server:
            tus = Tus(Http(server.port))
            file_id = id_of(tus.completed(b"hello"))
            faulty.faults, faulty.share = [503], 1.0
            assert tus.http.request("DELETE", f"/files/{file_id}").status == 204
            assert tus.http.get(f"/files/{file_id}").status == 404
            faulty.share = 0.0
            assert s3.names(address, "blobs/") == [f"blobs/{file_id}"]
            time.sleep(0.2)
            done = run_verb("cleanup", data_dir=server.data_dir, env=env)
            assert "1 blobs deleted" in done.stdout, done.stderr
            assert s3.names(address, "blobs/") == []
            assert run_verb("doctor", data_dir=server.data_dir, env=env).returncode == 0


def test_a_bucket_of_another_database_stops_the_start(tmp_path: Path, s3: S3Server, env: dict[str, str]) -> None:
    with ServerProcess(tmp_path / "one", env):
        pass
    with ServerProcess(tmp_path / "two", s3.settings(s3.create_bucket())) as two:
        two.kill()
    done = run_verb("serve", data_dir=tmp_path / "two", env=env)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "bucket" in line]
    assert "not this database's" in line


def test_a_service_that_can_not_replace_a_part_stops_the_start(tmp_path: Path) -> None:
    with S3Server(streams_parts=True) as streaming:
        address = streaming.create_bucket()
        done = run_verb("serve", data_dir=tmp_path, env=streaming.settings(address))
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"STORAGE_URL: the bucket {address.name} at {streaming.endpoint}: ")
        assert "replace a part" in line and "NotImplemented" in line
        assert streaming.multiparts(address) == []
        assert streaming.names(address) == [], "what can't be used is not marked"


def test_a_service_without_list_parts_stops_the_start_and_the_doctor_says_so(tmp_path: Path, s3: S3Server) -> None:
    with FaultyS3(s3.endpoint) as faulty:
        address = s3.create_bucket()
        env = s3.settings(address) | {"STORAGE_URL": f"s3://{address.name}?endpoint={faulty.endpoint}"}
        with ServerProcess(tmp_path / "data", env):
            pass
        before = s3.names(address)
        good = run_verb("doctor", data_dir=tmp_path / "data", env=env)
        faulty.lacks_list_parts = True
        bad = run_verb("doctor", data_dir=tmp_path / "data", env=env)
        serve = run_verb("serve", data_dir=tmp_path / "data", env=env)
    where = f"the bucket {address.name} at {faulty.endpoint}"
    assert (good.returncode, bad.returncode, serve.returncode) == (0, 1, 1)
    (problem,) = [line for line in bad.stdout.splitlines() if line.startswith("PROBLEM")]
    (refusal,) = serve.stderr.splitlines()
    for line in (problem, refusal):
        assert where in line and "ListParts" in line and "NotImplemented" in line
        assert env["S3_SECRET_KEY"] not in line and env["S3_ACCESS_KEY"] not in line
    assert (s3.names(address), s3.multiparts(address)) == (before, []), "nothing is left of the trial"


@pytest.mark.long
def test_a_service_that_takes_connections_and_never_answers_does_not_hold_a_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        env = {"STORAGE_URL": f"s3://any?endpoint={endpoint}", "S3_ACCESS_KEY": "key", "S3_SECRET_KEY": "secret"}
        done = run_verb("serve", data_dir=tmp_path, env=env)  # in less than a minute
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "bucket" in line]
    assert line.startswith(f"STORAGE_URL: the bucket any at {endpoint}: the service does not answer")


@pytest.mark.parametrize("wrong", ["bucket", "key", "endpoint"])
def test_a_start_that_finds_no_bucket_says_which_and_where(
    tmp_path: Path, s3: S3Server, env: dict[str, str], wrong: str
) -> None:
    address = s3.create_bucket()
    name, endpoint, key = address.name, s3.endpoint, env["S3_SECRET_KEY"]
    match wrong:
        case "bucket":
            name = "no-such-bucket"
        case "key":
            key = "0" * 32
        case "endpoint":
            endpoint = f"http://127.0.0.1:{free_port()}"
    env |= {"STORAGE_URL": f"s3://{name}?endpoint={endpoint}", "S3_SECRET_KEY": key}

    def run(verb: str) -> subprocess.CompletedProcess[str]:
        (folder := tmp_path / verb).mkdir()
        lay_out_database(folder / "files.db")
        return run_verb(verb, data_dir=folder, env=env)

    with ThreadPoolExecutor() as side_by_side:  # each asks several times before it gives up
        serve, doctor = side_by_side.map(run, ("serve", "doctor"))
    assert (serve.returncode, doctor.returncode) == (1, 1)
    (line,) = serve.stderr.splitlines()
    assert line.startswith(f"STORAGE_URL: the bucket {name} at {endpoint}: storage failed: ")
    assert f"PROBLEM  the bucket {name} at {endpoint}: storage failed: " in doctor.stdout
    for said in (serve.stderr, doctor.stdout):
        assert key not in said and env["S3_ACCESS_KEY"] not in said


def test_the_doctor_finds_a_flipped_bit_and_a_lost_file_in_a_bucket(
    tmp_path: Path, s3: S3Server, env: dict[str, str]
) -> None:
    with ServerProcess(tmp_path / "data", env) as server:
        tus = Tus(Http(server.port))
        flipped, lost, good = (id_of(tus.completed(content)) for content in (b"flip me", b"lose me", b"let me be"))
    bucket = env["STORAGE_URL"].removeprefix("s3://").partition("?")[0]
    s3.run(lambda client: client.put_object(Bucket=bucket, Key=f"blobs/{flipped}", Body=b"flip mE"))
    s3.run(lambda client: client.delete_object(Bucket=bucket, Key=f"blobs/{lost}"))
    done = run_verb("doctor", "--scrub", data_dir=tmp_path / "data", env=env)
    assert done.returncode == 1
    problems = [line for line in done.stdout.splitlines() if line.startswith("PROBLEM")]
    assert [line for line in problems if flipped in line and "CRC-64" in line]
    assert [line for line in problems if lost in line and "missing" in line]
    assert not [line for line in problems if good in line]


def test_the_settings_that_are_shown_hide_the_keys(tmp_path: Path, env: dict[str, str]) -> None:
    shown = run_verb("check-config", data_dir=tmp_path, env=env)
    assert shown.returncode == 0
    assert env["S3_SECRET_KEY"] not in shown.stdout and env["S3_ACCESS_KEY"] not in shown.stdout
    assert env["STORAGE_URL"] in shown.stdout
