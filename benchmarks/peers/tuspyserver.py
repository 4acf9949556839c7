"""tuspyserver, the tus server for FastAPI, with its own settings. It never fsyncs."""

from benchmarks.peers.python_app import PythonAppPeer


class TusPyServerPeer(PythonAppPeer):
    name = "tuspyserver"
    app = "tuspyserver_app.py"
    packages = ("tuspyserver", "fastapi", "uvicorn", "uvloop", "httptools")
