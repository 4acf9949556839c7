"""The chunk API below ``/api/v1/file``. Start with ``chunks.py``."""
