"""Folders and addresses that mean something else once they stand in a URL."""

import socket
from pathlib import Path

from tests.e2e.tus import Tus
from tests.support.ports import free_port
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require
from tests.support.until import until
from tests.support.wire import Http

NAME = "50%20off, what? #1 & a@b;c [\u00fcber] %zz+"


def test_everything_is_below_the_data_folder_whatever_it_is_called(tmp_path: Path) -> None:
    home = tmp_path / NAME
    with ServerProcess(home, migrates=True) as server:
        Tus(Http(server.port)).completed(b"hello")
        assert (home / "files.db").stat().st_size > 0
        assert sum(path.stat().st_size for path in (home / "storage" / "blobs").rglob("*") if path.is_file()) == 5
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_an_address_of_ipv6_stands_in_brackets(tmp_path: Path) -> None:
    port = free_port()
    try:
        socket.create_server(("::1", port), family=socket.AF_INET6).close()
    except OSError as error:
        require("IPv6", str(error))
    server = ServerProcess(tmp_path / "data", {"API_HOST": "::1"}, port=port)
    try:
        server.start(wait=False)
        until(lambda: f"http://[::1]:{port}/uploads" in server.log(), server.log_tail)
        with socket.create_connection(("::1", port)) as client:
            client.sendall(f"GET /health HTTP/1.1\r\nHost: [::1]:{port}\r\nConnection: close\r\n\r\n".encode())
            assert client.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
    finally:
        server.kill()
