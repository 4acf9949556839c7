"""Ourselves, as anyone starts us: ``starter.py serve`` with a volume, and SQLite unless it is told otherwise."""

import http.client
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import OURS, Missing
from benchmarks.peers.base import Command, Peer
from benchmarks.workbench import PROJECT, Workbench


class LongshorePeer(Peer):
    name = OURS
    uploads_path = "/uploads"

    def __init__(
        self, durability: str = "ack", *, processes: int | None = None, database_url: Callable[[], str] | None = None
    ) -> None:
        """``database_url``: of a new database, asked for at each start."""
        self._durability = durability
        self._processes = processes
        self._database_url = database_url

    def command(self, workbench: Workbench, folder: Path, port: int) -> Command:
        starter = PROJECT / "starter.py"
        if not starter.is_file():
            raise Missing("starter.py is not there")
        return Command([sys.executable, starter, "serve"], self._settings(folder, port))

    def _settings(self, folder: Path, port: int) -> dict[str, str]:
        return {
            "API_HOST": "127.0.0.1",
            "API_PORT": str(port),
            "DATA_DIR": str(folder),
            "DATABASE_URL": self._database_url() if self._database_url else f"sqlite+aiosqlite:///{folder}/files.db",
            "PROCESSES": str(self._processes or ""),
            "STORAGE_URL": f"volume://{folder}/storage",
            "DURABILITY": self._durability,
            # one client stands for thousands here
            "RATE_LIMIT": "1000000/minute",
            "QUOTA_OPEN_UPLOADS": "1000000",
            "MAX_UPLOAD_SIZE": "200GiB",
            # the peers write no access log either
            "LOG_LEVEL": "WARNING",
            "LOG_ACCESS": "0",
        }

    def version(self, workbench: Workbench) -> str:
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
        return str(project["project"]["version"])

    def is_ready(self, port: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/metrics" if self._processes else "/health")
            answer = connection.getresponse()
            # All that serve are told of there.
            return answer.status == http.HTTPStatus.OK and (
                not self._processes or f'process="{self._processes}"' in answer.read().decode()
            )
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
