"""The use cases: load, ask the domain, store, commit, announce. Start with ``upload.py``."""
