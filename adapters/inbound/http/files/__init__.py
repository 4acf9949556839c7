"""Stored files: what is known of them, their bytes, links to them. Start with ``files.py``."""
