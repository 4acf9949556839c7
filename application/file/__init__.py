"""Stored files from their owner's side: found again, changed, taken away. Who only reads one is in ``download.py``."""

from application.file.ending import FileEnding
from application.file.use_case import ANY_OWNER, FileUseCase

__all__ = ["ANY_OWNER", "FileEnding", "FileUseCase"]
