"""Small chunks and files, written by a process beside ours. Start with ``writer.py``."""
