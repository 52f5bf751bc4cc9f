"""Whether what comes in is what the catalog knows, and whether what goes out is varied."""
