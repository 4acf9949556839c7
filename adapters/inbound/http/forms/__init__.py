"""Whole files by one request: ``/upload``."""
