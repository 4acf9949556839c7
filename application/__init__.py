"""The use cases: load, ask the domain, store, commit, announce. Start with ``upload/use_case.py``."""
