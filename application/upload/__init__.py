"""Bringing files in. Start with ``use_case.py``, and there with ``append``."""

from application.upload.use_case import UploadUseCase

__all__ = ["UploadUseCase"]
