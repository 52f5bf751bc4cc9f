"""Sounds that are no music: speech, noise, near silence, tones and effects, made from nothing."""
