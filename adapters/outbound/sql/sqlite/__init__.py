"""SQLite's file: its connections, its threads, and whose turn it is to write."""
