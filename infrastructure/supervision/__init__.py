"""``serve --processes N``: N servers behind one listening socket, and who looks after them
(docs/decisions/0046-processes-behind-one-socket.md).

``supervisor.py`` is a process of its own that imports nothing of the house but how to log; ``supervised.py`` is what
a server knows of it.
"""
