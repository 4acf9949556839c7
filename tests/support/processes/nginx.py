"""nginx as a proxy in front of our servers, without root; what is not told to it is as nginx has it by default."""

import ssl
import subprocess
from pathlib import Path
from typing import Self

from tests.support.ports import free_port
from tests.support.processes.process import ChildProcess
from tests.support.processes.services import require_program
from tests.support.until import becomes
from tests.support.wire import Connection

_CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/replies;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
{fronts}
}}
"""
# A WebSocket needs these three whatever else is configured: nginx's manual, WebSocket proxying.
_UPGRADE = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
_FRONT = """\
    server {{
        listen 127.0.0.1:{port}{tls};
        location {prefix} {{ proxy_pass http://127.0.0.1:{to}{stripped}; {lines} }}
        location {prefix}ws/ {{ proxy_pass http://127.0.0.1:{to}{stripped_ws}; {upgrade} {lines} }}
    }}
"""


class Nginx(ChildProcess):
    """Its fronts are told first; it serves from ``with`` on."""

    def __init__(self, folder: Path) -> None:
        program = require_program("nginx")
        self._folder = folder
        self._fronts: dict[int, str] = {}
        configuration = folder / "nginx.conf"
        super().__init__(
            [program, "-e", "stderr", "-p", folder, "-c", configuration], name="nginx", log_path=folder / "nginx.log"
        )

    def front(self, to: int, *lines: str, prefix: str = "/", with_tls: bool = False, port: int | None = None) -> int:
        """The port of a server that hands on to our port ``to``, without the ``prefix``; ``lines`` are nginx's."""
        port = port or free_port()
        self._fronts[port] = _FRONT.format(
            port=port,
            to=to,
            tls=" ssl" if with_tls else "",
            prefix=prefix,
            stripped="" if prefix == "/" else "/",
            stripped_ws="" if prefix == "/" else "/ws/",
            upgrade=_UPGRADE,
            lines=" ".join(lines),
        )
        return port

    def site(self, port: int, text: str) -> None:
        """A site as a file has it, which listens on ``port``."""
        self._fronts[port] = text

    @property
    def trust(self) -> ssl.SSLContext:
        """For clients of the fronts with TLS."""
        return ssl.create_default_context(cafile=self._folder / "certificate.pem")

    def __enter__(self) -> Self:
        self._make_certificate()
        text = _CONFIGURATION.format(folder=self._folder, fronts="".join(self._fronts.values()))
        (self._folder / "nginx.conf").write_text(text)
        self.launch()
        assert becomes(self._listens, within=10), self.log_tail()
        return self

    def _listens(self) -> bool:
        try:
            for port in self._fronts:
                Connection(port).close()
        except OSError:
            return False
        return True

    def _make_certificate(self) -> None:
        key, certificate = self._folder / "key.pem", self._folder / "certificate.pem"
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        files = ("-keyout", str(key), "-out", str(certificate))
        command = [require_program("openssl"), "req", "-x509", *kind, *names, *files]
        subprocess.run(command, check=True, capture_output=True)
