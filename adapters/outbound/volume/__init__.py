"""Bytes as plain files below one folder: ``staged/`` while an upload runs, ``blobs/`` once it is sealed."""
