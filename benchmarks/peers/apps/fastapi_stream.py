"""python fastapi_stream.py PORT FOLDER: just enough of tus for the load clients, and nothing else.

Runs in the peers' own environment. uvicorn takes uvloop and httptools when they are installed there.
"""

import sys
import uuid
from pathlib import Path

import uvicorn  # type: ignore[import-not-found, unused-ignore]
from fastapi import FastAPI, Request, Response  # type: ignore[import-not-found, unused-ignore]

FOLDER = Path(sys.argv[2])


async def create() -> Response:
    name = uuid.uuid4().hex
    (FOLDER / name).touch()
    return Response(status_code=201, headers={"Location": f"/files/{name}"})


async def receive(name: str, request: Request) -> Response:
    # Writing on the event loop: a thread per block would cost this peer two thirds of its speed.
    with (FOLDER / name).open("r+b", buffering=0) as file:
        file.seek(int(request.headers["upload-offset"]))
        async for block in request.stream():
            file.write(block)
        offset = file.tell()
    return Response(status_code=204, headers={"Upload-Offset": str(offset)})


app = FastAPI()
app.add_api_route("/files", create, methods=["POST"])
app.add_api_route("/files/{name}", receive, methods=["PATCH"])

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
