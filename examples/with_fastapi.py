"""Longshore in a FastAPI program: people upload by tus, by forms and by ``curl -T``, each to what is theirs.

python examples/with_fastapi.py [port [folder]]
curl -T holiday.mov -H 'X-User: alice' http://127.0.0.1:8000/store/upload/
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # from a checkout; installed, it needs no path

from longshore.embed import STRANGER, Principal, on_disk, user
from longshore.fastapi import router


def caller(x_user: Annotated[str | None, Header()] = None) -> Principal:
    """Any dependency of yours that knows who calls. Strangers may open signed links: all else we refuse them."""
    return STRANGER if x_user is None else user(x_user)


def program(folder: Path) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with on_disk(folder) as longshore:
            app.include_router(router(longshore, principal=caller, prefix="/store"))
            housekeeping = asyncio.create_task(longshore.keep_house())
            yield
            housekeeping.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def home() -> dict[str, str]:
        return {"upload to": "/store/uploads"}

    return app


if __name__ == "__main__":
    port, place = [*sys.argv[1:], *["8000", "./store"][len(sys.argv) - 1 :]]
    uvicorn.run(program(Path(place)), port=int(port))
