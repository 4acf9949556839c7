"""A client of Longshore, and of any other tus server: bring files, list, fetch, share, delete and watch them.

``AsyncClient`` in asyncio programs, ``Client`` in all others; ``longshore put`` and its like are made of the same.
"""

from longshore.client.asynchronous import AsyncClient
from longshore.client.errors import (
    BrokenOff,
    ClientError,
    Different,
    FileChanged,
    NotAllowed,
    NotFound,
    Refused,
    SentElsewhere,
    ServerAway,
)
from longshore.client.records import Link, OpenUpload, Page, Progress, Stored, StoredFile
from longshore.client.server import Patience
from longshore.client.synchronous import Client

__all__ = [
    "AsyncClient",
    "BrokenOff",
    "Client",
    "ClientError",
    "Different",
    "FileChanged",
    "Link",
    "NotAllowed",
    "NotFound",
    "OpenUpload",
    "Page",
    "Patience",
    "Progress",
    "Refused",
    "SentElsewhere",
    "ServerAway",
    "Stored",
    "StoredFile",
]
