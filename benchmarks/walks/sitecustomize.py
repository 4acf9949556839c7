"""Counts, in the server that has this folder on its PYTHONPATH, which of the project's functions are called.

Python imports a module of this name by itself. ``WALKS_ROOT`` is the project's folder, ``WALKS_SOCKET`` where the
counts are asked for: each connection gets them as JSON, and they begin anew.
"""

import json
import os
import socket
import sys
import threading
from collections import Counter
from types import FrameType

_ROOT = os.environ["WALKS_ROOT"] + "/"
_OURS = tuple(_ROOT + package for package in ("domain/", "ports/", "application/", "adapters/", "infrastructure/"))
_calls: Counter[str] = Counter()
_moves = [0]


def _profile(frame: FrameType, event: str, _: object) -> None:
    if event != "call" or not frame.f_code.co_filename.startswith(_OURS):
        return
    _calls[f"{frame.f_code.co_filename.removeprefix(_ROOT)}:{frame.f_code.co_qualname}"] += 1
    caller = frame.f_back
    if caller is not None and caller.f_code.co_filename != frame.f_code.co_filename:
        _moves[0] += 1


def _tell() -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.environ["WALKS_SOCKET"])
    listening.listen()
    while True:
        asking, _ = listening.accept()
        with asking:
            asking.sendall(json.dumps({"calls": _calls, "moves": _moves[0]}).encode())
        _calls.clear()
        _moves[0] = 0


if "WALKS_SOCKET" in os.environ:
    threading.Thread(target=_tell, daemon=True).start()
    threading.setprofile(_profile)
    sys.setprofile(_profile)
