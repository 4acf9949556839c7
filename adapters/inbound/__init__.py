"""The outside calls us: a folder a technology, over the same use cases."""
