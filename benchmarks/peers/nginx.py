"""nginx with one worker: DAV PUT for bodies, sendfile for downloads. It never fsyncs and needs no root."""

import grp
import os
import pwd
import subprocess
from pathlib import Path

from benchmarks.peers.base import Command, Peer
from benchmarks.workbench import Workbench

CONFIGURATION = """\
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 10000000;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/incoming;
    proxy_temp_path {folder}/unused;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    # one read fills a whole buffer: faster than its small default
    client_body_buffer_size 1m;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        dav_methods PUT;
    }}
}}
"""


class NginxPeer(Peer):
    name = "nginx"

    def command(self, workbench: Workbench, folder: Path, port: int) -> Command:
        program = workbench.tool("nginx")
        self.files(folder).mkdir()
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, port=port, user=_user()))
        return Command([program, "-e", "stderr", "-p", folder, "-c", configuration])

    @staticmethod
    def files(folder: Path) -> Path:
        """Where it serves from."""
        return folder / "files"

    def version(self, workbench: Workbench) -> str:
        told = subprocess.run([workbench.tool("nginx"), "-v"], check=True, capture_output=True, text=True)
        return told.stderr.strip().rpartition("/")[2]


def _user() -> str:
    """As root, nginx hands its worker to another user, who may not enter our folder: keep it at ours."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(os.getegid()).gr_name};"
