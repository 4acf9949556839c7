"""Pure rules of files and uploads: standard library only, no I/O, no clock. Start with ``upload.py``."""
