"""Made-up listeners."""
