"""Live progress: anyone who may see an upload can watch it arrive. Start with ``use_case.py``."""

from application.progress.reader import MAX_WATCHES
from application.progress.use_case import ProgressUseCase

__all__ = ["MAX_WATCHES", "ProgressUseCase"]
