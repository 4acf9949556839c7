"""How dialects say what they take and answer, in OpenAPI's words: start with ``words.py``."""
