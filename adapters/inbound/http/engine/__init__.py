"""How requests come and replies go: start with ``exchange.py``."""
