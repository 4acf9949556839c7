"""Pictures and their thumbnails: ``/images``."""
