"""HTTP. ``engine`` is how bytes come and go; beside it there is a folder for each dialect, for files, progress,
operations and the page."""
