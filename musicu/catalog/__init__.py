"""One SQLite file, its index, and similar tracks."""
