"""A storage of somebody else's, with its tests: see README.md."""
