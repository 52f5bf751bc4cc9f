"""Scores read, arranged and played, with the exact truth of what sounds."""
