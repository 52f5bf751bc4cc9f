"""All kinds of attack, with their parts of the time."""

from torture import mutants
from torture.campaign import Kind

KINDS = (Kind("mutants", mutants.mutants, mutants.ROWS, share=4.0, size=200),)
