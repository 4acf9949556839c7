"""The page at ``/`` and what belongs to it."""
