"""Pictures, looked at and drawn by processes beside ours. Start with ``processor.py``; their end is ``child.py``."""
