"""HTTP. ``engine`` is how requests come and replies go; beside it there is a folder for each dialect, for files,
progress, operations and the page."""
