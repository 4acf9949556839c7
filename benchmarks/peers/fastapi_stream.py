"""FastAPI written for speed: the body streamed into a file, no database, no fsync, no checks."""

from benchmarks.peers.python_app import PythonAppPeer


class FastApiStreamPeer(PythonAppPeer):
    name = "FastAPI stream"
    app = "fastapi_stream.py"
    packages = ("fastapi", "uvicorn", "uvloop", "httptools")
