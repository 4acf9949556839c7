"""Receipts, written in batches: the path of every chunk. Start with ``ledger.py``."""
