"""``/uploads``: tus 1.0.0 and the IETF's resumable uploads at the same URLs. ``uploads.py`` tells them apart."""
