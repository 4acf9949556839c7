"""The repositories and the unit of work around them, one port a file; ``mapping.py`` has rows and entities."""
