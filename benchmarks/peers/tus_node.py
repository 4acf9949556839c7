"""The reference tus server for Node: @tus/server with @tus/file-store. It never fsyncs."""

import json
import subprocess
from pathlib import Path

from benchmarks.figures import Missing
from benchmarks.peers.base import Command, Peer
from benchmarks.workbench import Workbench

SCRIPT = Path(__file__).with_name("tus_server.mjs")


class TusNodePeer(Peer):
    name = "@tus/server"
    uploads_path = "/files"

    def command(self, workbench: Workbench, folder: Path, port: int) -> Command:
        node = workbench.tool("node")
        if not workbench.peers_node_modules().is_dir():
            raise Missing("benchmarks/node_modules is not there")
        return Command([node, SCRIPT, str(port), folder], {"NODE_ENV": "production"})

    def version(self, workbench: Workbench) -> str:
        package = workbench.peers_node_modules() / "@tus" / "server" / "package.json"
        node = subprocess.run([workbench.tool("node"), "--version"], check=True, capture_output=True, text=True)
        return f"{json.loads(package.read_text())['version']} on Node {node.stdout.strip()}"
