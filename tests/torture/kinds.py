"""All kinds of attack, with their parts of the time."""

from torture import kills, mutants
from torture.campaign import Kind

KINDS = (
    Kind("mutants", mutants.mutants, mutants.ROWS, share=4.0, size=200),
    Kind("kills", kills.kills, kills.ROWS, share=3.0, size=10),
)
