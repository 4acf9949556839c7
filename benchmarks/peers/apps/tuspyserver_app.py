"""python tuspyserver_app.py PORT FOLDER: tuspyserver as its own documentation mounts it.

Runs in the peers' own environment. uvicorn takes uvloop and httptools when they are installed there.
"""

import sys

import uvicorn  # type: ignore[import-not-found, unused-ignore]
from fastapi import FastAPI  # type: ignore[import-not-found, unused-ignore]
from tuspyserver import create_tus_router  # type: ignore[import-not-found, unused-ignore]

app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=sys.argv[2]))

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
