"""Singing and rapping made from speech with the WORLD vocoder."""
