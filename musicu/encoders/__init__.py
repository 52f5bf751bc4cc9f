"""Model folders, inference, auto-tagging."""
