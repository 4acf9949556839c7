"""Bytes in one bucket of an S3 service: ``staged/`` while an upload runs, ``blobs/`` once it is sealed.

``layout.py`` tells how the bytes of an unfinished upload lie there; begin with it.
"""
