"""WebSockets: ``base`` is what all of them share, then a module each."""
