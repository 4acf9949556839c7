"""Small chunks, written by a process beside ours. Start with ``writer.py``."""
