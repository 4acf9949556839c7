"""Servers that tell a crowd of WebSockets one message after the other, flat out, and have nothing else to do."""

import json
import subprocess
from pathlib import Path

from benchmarks.figures import Missing
from benchmarks.peers.base import Command, Peer
from benchmarks.peers.python_app import APPS, PythonAppPeer
from benchmarks.workbench import Workbench


class WebsocketsPeer(PythonAppPeer):
    name = "websockets broadcast"
    uploads_path = None
    app = "websockets_broadcast.py"
    packages = ("websockets",)

    def __init__(self, sockets: int) -> None:
        self._sockets = sockets

    def command(self, workbench: Workbench, folder: Path, port: int) -> Command:
        return Command([workbench.peers_python(), APPS / self.app, str(port), str(self._sockets)])


class WsPeer(Peer):
    name = "node ws"
    uploads_path = None

    def __init__(self, sockets: int) -> None:
        self._sockets = sockets

    def command(self, workbench: Workbench, folder: Path, port: int) -> Command:
        node, modules = workbench.tool("node"), workbench.peers_node_modules()
        if not (modules / "ws").is_dir():
            raise Missing("ws is not in benchmarks/node_modules")
        return Command([node, APPS / "ws_broadcast.mjs", str(port), str(self._sockets)], {"NODE_ENV": "production"})

    def version(self, workbench: Workbench) -> str:
        package = workbench.peers_node_modules() / "ws" / "package.json"
        node = subprocess.run([workbench.tool("node"), "--version"], check=True, capture_output=True, text=True)
        return f"{json.loads(package.read_text())['version']} on Node {node.stdout.strip()}"
