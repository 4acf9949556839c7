"""The clients that put a server under load; the same ones for every server."""
