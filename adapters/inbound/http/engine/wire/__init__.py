"""HTTP/1.1 beneath the routes, by the letter of RFC 9112: start with ``head.py``."""
