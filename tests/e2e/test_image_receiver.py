"""The image receiver through the real server, by a client that knows its page alone."""

import itertools
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.image_client import FORMATS, READY, TIMEOUT, Answer, ImageClient, padded, picture
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.until import becomes
from tests.support.wire import Http, WebSocket

MAX = 5 * 1024 * 1024
USER, OTHER = str(uuid.uuid4()), str(uuid.uuid4())
GATEWAY = {"AUTH_MODE": "gateway", "TRUSTED_PROXIES": "127.0.0.1"}
FORMAT = "Invalid file format"
SIZE = "File size exceeded"
CORRUPTED = "File is corrupted"
DUPLICATE = "Duplicate file detected"
LIMIT = "Upload limit exceeded"


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server(CLEANUP_AFTER="1s", CLEANUP_INTERVAL="1s")


@pytest.fixture(scope="module")
def http(server: ServerProcess) -> Http:
    return Http(server.port)


@pytest.fixture
def client(http: Http) -> Iterator[ImageClient]:
    with ImageClient(http) as client:
        yield client


class Kept:
    """What is on the disk and in the list of files."""

    def __init__(self, server: ServerProcess, client: ImageClient) -> None:
        self._folder = server.data_dir / "storage/images" / client.user_id / client.session_id / "original"
        self._http = Http(server.port)

    @property
    def names(self) -> set[str]:
        return {path.name for path in self._folder.iterdir()} if self._folder.is_dir() else set()

    def bytes_of(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def status_of(self, name: str) -> int:
        return self._http.get(f"/files/{_file_id(name)}/content").status


def _file_id(name: str) -> str:
    return name.partition("_")[2].partition(".")[0]


def name_of(answer: Answer) -> str:
    assert answer == {
        "status": "success",
        "message": "Upload successful",
        "file_name": answer.get("file_name"),
        "progress": 100,
    }
    name: str = answer["file_name"]
    return name


def refusal(answer: Answer) -> str:
    assert answer["status"] == "abort", answer
    message: str = answer["message"]
    return message


def test_all_five_formats_by_one_socket_and_no_eleventh(server: ServerProcess, client: ImageClient) -> None:
    kept, sent = Kept(server, client), {}
    for index, format_ in zip(range(10), itertools.cycle(FORMATS), strict=False):
        data = picture(index, format_)
        name = name_of(client.upload(index, data))
        assert name.startswith(f"{index}_") and name.endswith("." + FORMATS[format_])
        sent[name] = data
    assert refusal(client.begin(10)) == LIMIT
    assert kept.names == sent.keys()
    assert all(kept.bytes_of(name) == data for name, data in sent.items())
    assert {kept.status_of(name) for name in sent} == {200}


def test_twins_are_refused_however_they_were_made(client: ImageClient) -> None:
    name_of(client.upload(0, picture(1)))
    for index, twin in enumerate(
        [picture(1, size=(160, 120)), picture(1, quality=25), picture(1, "WEBP"), picture(1, "HEIC"), picture(1)], 1
    ):
        assert refusal(client.upload(index, twin)) == DUPLICATE
    name_of(client.upload(0, picture(1, "PNG")))
    name_of(client.upload(1, picture(2)))


def test_the_same_index_replaces_and_nothing_of_the_former_is_left(server: ServerProcess, client: ImageClient) -> None:
    kept = Kept(server, client)
    old = name_of(client.upload(3, picture(1)))
    new = name_of(client.upload(3, picture(2, "WEBP")))
    assert kept.names == {new}
    assert (kept.status_of(old), kept.status_of(new)) == (404, 200)


def test_it_gets_thumbnails_which_go_with_it(server: ServerProcess, http: Http, client: ImageClient) -> None:
    image = "/images/" + _file_id(name_of(client.upload(0, picture(1, "HEIC"))))
    assert becomes(lambda: http.get(image).json()["status"] == "DONE", within=20)
    blobs = server.data_dir / "storage/blobs"
    before = {path for path in blobs.rglob("*") if path.is_file()}
    assert http.get(image + "/thumbnails/100x100").status == 200
    other = "/images/" + _file_id(name_of(client.upload(0, picture(2))))
    assert http.get(image).status == 404
    assert sum(not path.exists() for path in before) == 3
    assert becomes(lambda: http.get(other).json()["status"] == "DONE", within=20)


@pytest.mark.parametrize("frame", [64 * 1024, 3 * MAX])
def test_one_byte_too_many_is_refused_and_the_socket_goes_on(client: ImageClient, frame: int) -> None:
    whole = padded(picture(4), MAX + 1)
    assert client.begin(0) == READY
    answers = client.send(whole, frame=frame)
    assert refusal(answers[-1]) == SIZE
    assert len(answers) == -(-len(whole) // frame)
    client.socket.send_bytes(b"EOF")
    assert [answer["progress"] for answer in answers[:-1]] == sorted(answer["progress"] for answer in answers[:-1])
    name_of(client.upload(0, whole[:-1], frame=frame))
    assert refusal(client.begin(1, file_size=MAX + 1)) == SIZE


def test_what_is_no_picture_is_refused_by_its_first_frame(client: ImageClient) -> None:
    for data in (b"GIF89a" + bytes(100), b"%PDF-1.7 and so on", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(50)):
        assert client.begin(0, name="a.jpg") == READY
        client.socket.send_bytes(data)
        assert refusal(client.answer()) == FORMAT
        for _ in range(3):  # what was on its way is ignored
            client.socket.send_bytes(data)
        client.socket.send_bytes(b"EOF")
    assert client.begin(0) == READY
    client.socket.send_bytes(b"EOF")
    assert refusal(client.answer()) == FORMAT


def test_what_is_not_whole_is_refused_and_leaves_the_earlier_picture(
    server: ServerProcess, client: ImageClient
) -> None:
    kept = Kept(server, client)
    for index, format_ in enumerate(FORMATS):
        data = picture(index, format_)
        name_of(client.upload(index, data))
    before = kept.names
    for index, format_ in enumerate(FORMATS):
        assert refusal(client.upload(index, picture(index + 20, format_)[:-50])) == CORRUPTED
    assert refusal(client.upload(0, b"\xff\xd8\xff" + bytes(3000))) == CORRUPTED
    assert kept.names == before


def test_with_its_size_the_last_byte_ends_it(client: ImageClient) -> None:
    data = picture(5)
    assert client.begin(0, file_size=len(data)) == READY
    answers = client.send(data, frame=1000)
    assert [answer["progress"] for answer in answers] == [
        min(100, round(100 * min(len(data), at + 1000) / len(data))) for at in range(0, len(data), 1000)
    ]
    first = name_of(client.answer())
    client.socket.send_bytes(b"EOF")  # out of habit; and so is this
    client.socket.send_json({"action": "finish"})
    second = picture(6) + b"EOF"  # three bytes of its own, in a frame of theirs
    assert client.begin(1, file_size=len(second)) == READY
    client.send(second[:-3])
    client.socket.send_bytes(second[-3:])
    assert client.answer()["progress"] == 100
    assert name_of(client.answer()) != first


def test_it_can_be_finished_by_a_message_and_more_or_less_than_announced_is_refused(client: ImageClient) -> None:
    data = picture(7)
    assert client.begin(0) == READY
    client.send(data)
    client.socket.send_json({"action": "finish"})
    name_of(client.answer())
    assert client.begin(1, file_size=len(data) + 1) == READY
    client.send(data)
    client.socket.send_json({"action": "finish"})
    assert refusal(client.answer()) == CORRUPTED
    assert client.begin(1, file_size=len(data) - 1) == READY
    client.socket.send_bytes(data)
    assert refusal(client.answer()) == SIZE
    assert refusal(client.begin(1, file_size=0)) == FORMAT


def test_a_new_file_takes_the_place_of_the_one_under_way(server: ServerProcess, client: ImageClient) -> None:
    assert client.begin(0) == READY
    client.send(picture(1)[:3000])
    name = name_of(client.upload(1, picture(2)))
    assert Kept(server, client).names == {name}


def test_a_refusal_says_which_picture_it_ends(client: ImageClient) -> None:
    for index, format_data in ((4, b"no picture"), (0, b"\xff\xd8\xff" + bytes(3000))):
        assert client.upload(index, format_data)["file_idx"] == index
    assert client.begin(9, file_size=MAX + 1)["file_idx"] == 9
    assert client.begin(7) == READY
    assert client.delete("7_none.jpg")["file_idx"] == 7  # it was under way
    for answer in (client.delete("7_none.jpg"), client.say("{}")):
        assert "file_idx" not in answer


def test_a_deleted_picture_is_gone_and_makes_room(server: ServerProcess, client: ImageClient) -> None:
    name = name_of(client.upload(0, picture(1)))
    for other in ("../" + name, "0_x.jpg", "", "/etc/passwd", name + "\0"):
        assert refusal(client.delete(other)) == "No such file"
    assert client.delete(name) == {"status": "success", "message": "File deleted", "file_name": name}
    assert Kept(server, client).status_of(name) == 404
    assert refusal(client.delete(name)) == "No such file"
    assert not (server.data_dir / "storage/images" / client.user_id).exists()
    name_of(client.upload(1, picture(1)))


@pytest.mark.parametrize("has_size", [True, False])
def test_a_dropped_connection_leaves_no_file_and_no_row(
    server: ServerProcess, http: Http, client: ImageClient, has_size: bool
) -> None:
    data = padded(picture(1), 1_000_000)
    client.begin(0, file_size=len(data) if has_size else None)
    client.send(data[:-1])
    client.socket.connection.reset()
    with ImageClient(http, user_id=client.user_id, session_id=client.session_id) as again:
        for index in range(10):
            name_of(again.upload(index, picture(index)))
        assert refusal(again.begin(10)) == LIMIT
    assert {name.partition("_")[0] for name in Kept(server, client).names} == set("0123456789")
    assert becomes(lambda: not _staged(server), within=10)


def _staged(server: ServerProcess) -> list[Path]:
    return [path for path in (server.data_dir / "storage/staged").rglob("*") if path.is_file()]


def test_limits_hold_after_a_reconnect_and_for_two_sockets_at_once(server: ServerProcess, http: Http) -> None:
    user_id, session_id = str(uuid.uuid4()), str(uuid.uuid4())
    outcomes: list[str] = []

    def send(first: int) -> None:
        with ImageClient(http, user_id=user_id, session_id=session_id.upper()) as client:
            for index in range(first, first + 8):
                answer = client.upload(index, picture(index))
                outcomes.append(answer["message"])

    threads = [threading.Thread(target=send, args=(first,)) for first in (0, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["Upload limit exceeded"] * 6 + ["Upload successful"] * 10
    with ImageClient(http, user_id=user_id, session_id=session_id) as client:
        assert len(Kept(server, client).names) == 10
        assert refusal(client.begin(99)) == LIMIT
        there = int(next(iter(Kept(server, client).names)).partition("_")[0])
        assert client.begin(there) == READY


def test_rubbish_is_refused_in_plain_words_and_the_socket_goes_on(client: ImageClient) -> None:
    good = {"action": "upload", "file_idx": 0, "file_name": "a", "user_id": USER, "session_id": USER}
    wrong: list[object] = [{key: good[key] for key in good if key != lost} for lost in good]
    indexes: list[object] = [-1, 1.5, 2**31, 10**30, "0", None, True, []]
    wrong += [{**good, "file_idx": index} for index in indexes]
    sizes: list[object] = [-1, 1.5, "1", []]
    wrong += [{**good, "file_size": size} for size in sizes]
    wrong += [{**good, "user_id": id_} for id_ in ("", "..", "../../etc", USER + "/..", "a" * 23, 7, None, "x" * 9999)]
    wrong += [{**good, "session_id": id_} for id_ in ("", "..", "/", "a" * 24, USER + "\n", USER.replace("-", ""))]
    wrong += [[], 1, "x", None, {}, {"action": "rename"}, {"action": {}}, {**good, "file_name": 1}]
    texts = [json.dumps(message) for message in wrong] + ["", "{", "\0", "[" * 9999]
    client.socket.send_bytes(b"\xff\xd8\xff")
    assert refusal(client.answer()) == "Send an upload message first"
    for text in texts:
        answer = client.say(text)
        words = refusal(answer)
        assert answer["code"] == "invalid_request" and 5 < len(words) < 100, text
        assert "pydantic" not in words and "validation" not in words
    name_of(client.upload(0, picture(1)))


def test_a_name_is_display_data_only(server: ServerProcess, http: Http, client: ImageClient) -> None:
    before = set(server.data_dir.rglob("*"))
    for index, name in enumerate(
        ["../../../etc/passwd", "..", "", "a\0b\n.jpg", "x" * 3000, "\u202egpj.exe", "\ud800half"]
    ):
        assert client.begin(index, name=name) == READY
        client.send(picture(index))
        client.socket.send_bytes(b"EOF")
        told = http.get(f"/files/{_file_id(name_of(client.answer()))}").json()["name"]
        assert "/" not in told and "\n" not in told and len(told.encode()) <= 255
    folder = server.data_dir / "storage/images" / client.user_id
    generated = (folder, server.data_dir / "storage/staged", server.data_dir / "storage/blobs")
    new = set(server.data_dir.rglob("*")) - before
    assert [path for path in new if not any(path.is_relative_to(place) for place in generated)] == []


def test_frames_may_be_fragmented_and_pings_come_between(client: ImageClient) -> None:
    data = picture(1)
    assert client.begin(0) == READY
    pieces = [data[:1], data[1:2], data[2:3000], b"", data[3000:]]
    for number, piece in enumerate(pieces):
        client.socket.send_frame(0x0 if number else 0x2, piece, is_final=piece is pieces[-1])
        client.socket.send_frame(0x9, b"are you there")
    assert client.answer()["progress"] == round(100 * len(data) / MAX)
    client.socket.send_frame(0x2, b"E", is_final=False)
    client.socket.send_frame(0x0, b"OF")
    name_of(client.answer())


@pytest.mark.parametrize(
    ("opcode", "announced", "code"), [(0x2, 50 * 1024 * 1024, 1009), (0x1, 1024 * 1024, 1009), (0x1, 1, 1007)]
)
def test_far_too_much_by_one_frame_ends_the_socket(client: ImageClient, opcode: int, announced: int, code: int) -> None:
    client.socket.send_frame(opcode, b"\xff", announced=announced)  # the last of these is no UTF-8
    assert client.close_code(within=10) == code


def test_answers_to_a_crowd_of_small_frames_do_not_pile_up(http: Http, client: ImageClient) -> None:
    data = picture(1)
    client.begin(0)
    for byte in data:
        client.socket.send_bytes(bytes([byte]))
    client.socket.send_bytes(b"EOF")
    answers = list(itertools.takewhile(lambda answer: answer["status"] == "uploading", _answers(client)))
    assert answers


def _answers(client: ImageClient) -> Iterator[Answer]:
    while True:
        yield client.answer()


def test_pages_of_others_are_not_let_in(http: Http) -> None:
    upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    assert http.get("/image/upload", *upgrade, key, ("Origin", "https://elsewhere.example")).status == 403
    assert http.get("/image/upload").status == 426


@pytest.mark.places("postgres-s3")
def test_a_session_on_another_database_and_in_a_bucket(module_server: ServerProcess) -> None:
    http = Http(module_server.port)
    outcomes: list[str] = []
    first = ImageClient(http)

    def send(indexes: range) -> None:
        with ImageClient(http, user_id=first.user_id, session_id=first.session_id) as client:
            outcomes.extend(client.upload(index, picture(index))["message"] for index in indexes)

    threads = [threading.Thread(target=send, args=(range(start, 12, 3),)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [LIMIT] * 2 + ["Upload successful"] * 10
    with first:
        assert refusal(first.begin(99)) == LIMIT
        old = name_of(_replaced(first))
        new = name_of(_replaced(first, picture(50, "HEIC")))
        contents = {name: http.get(f"/files/{_file_id(name)}/content") for name in (old, new)}
        assert (contents[old].status, contents[new].status) == (404, 200)
        assert contents[new].body == picture(50, "HEIC")
        assert first.delete(new)["message"] == "File deleted"


def _replaced(client: ImageClient, data: bytes = picture(50)) -> Answer:
    """Whichever index is there."""
    for index in range(12):
        answer = client.upload(index, data)
        if answer["message"] != LIMIT:
            return answer
    raise AssertionError("nothing is there")


def test_the_doctor_knows_what_is_there_and_tells_what_is_nobodys(server: ServerProcess, client: ImageClient) -> None:
    name_of(client.upload(0, picture(1)))
    images = server.data_dir / "storage/images"
    _age(images)
    done = run_verb("doctor", "--scrub", data_dir=server.data_dir)
    assert "every sealed blob is a file's" in done.stdout, done.stdout
    stray = images / client.user_id / "stray.jpg"
    stray.write_bytes(b"nobody's")
    _age(images)
    done = run_verb("doctor", data_dir=server.data_dir)
    stray.unlink()
    assert "1 sealed blobs (8 bytes)" in done.stdout, done.stdout


def _age(folder: Path) -> None:
    """What is young may be in somebody's hands."""
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))


@pytest.fixture(scope="module")
def gateway(start_module_server: StartServer) -> Http:
    return Http(start_module_server(**GATEWAY).port)


class TestBehindAGateway:
    def test_a_session_is_its_users_alone(self, gateway: Http) -> None:
        session_id = str(uuid.uuid4())
        ours, theirs = ("x-user-id", USER), ("x-user-id", OTHER)
        with (
            ImageClient(gateway, ours, user_id=USER.upper(), session_id=session_id) as client,
            ImageClient(gateway, theirs, user_id=USER, session_id=session_id) as thief,
            ImageClient(gateway, theirs, user_id=OTHER, session_id=session_id) as neighbour,
        ):
            name = name_of(client.upload(0, picture(1)))
            assert refusal(thief.begin(0)) == "user_id is not the caller's"
            assert refusal(thief.delete(name)) == "user_id is not the caller's"
            assert refusal(neighbour.delete(name)) == "No such file"
            name_of(neighbour.upload(0, picture(1)))
            assert client.delete(name)["message"] == "File deleted"

    def test_nobody_gets_in_without_saying_who_they_are(self, gateway: Http) -> None:
        assert WebSocket.asked(gateway, "/image/upload").connection.receive().status == 401


def test_what_a_kill_leaves_cleanup_takes_away(start_server: StartServer) -> None:
    server = start_server(CLEANUP_AFTER="1s", CLEANUP_INTERVAL="1s")
    with ImageClient(Http(server.port)) as client:
        kept = [name_of(client.upload(index, picture(index))) for index in range(2)]
        client.begin(0)
        client.send(picture(5)[:3000])
        client.begin(1)
        client.send(picture(6))
        client.socket.send_bytes(b"EOF")
        server.kill()
        server.start()
        store = server.data_dir / "storage"
        assert becomes(lambda: not _staged(server), within=10)
        names = {path.name for path in (store / "images").rglob("*") if path.is_file()}
        assert kept[0] in names and len(names) == 2
        assert not [path for path in server.data_dir.iterdir() if path.name.startswith("tmp")]


def test_a_server_that_goes_down_closes_with_1001(start_server: StartServer) -> None:
    server = start_server()
    with ImageClient(Http(server.port)) as client:
        client.begin(0)
        client.send(picture(1)[:3000])
        server.signal(15)
        assert client.close_code() == 1001
    assert server.wait() == 0


@pytest.mark.long
def test_thirty_seconds_of_silence_end_the_socket(client: ImageClient) -> None:
    client.begin(0)
    began = time.monotonic()
    assert client.answer(within=40) == TIMEOUT
    assert 29 < time.monotonic() - began < 33
    assert client.close_code() == 1000
