"""Interleaving: two rankings in one list."""
