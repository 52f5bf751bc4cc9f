"""All kinds of attack, with their parts of the time."""

from torture import hostile, kills, mutants, rot, scarcity, web
from torture.campaign import Kind

KINDS = (
    Kind("mutants", mutants.mutants, mutants.ROWS, share=5.0, size=300),
    Kind("kills", kills.kills, kills.ROWS, share=3.0, size=10),
    Kind("rot", rot.rot, rot.ROWS, share=1.0, size=40),
    Kind("scarcity", scarcity.scarcity, scarcity.ROWS, share=1.0, size=9),
    Kind("hostile", hostile.hostile, hostile.ROWS, share=1.5, size=24),
    Kind("requests", web.requests, web.ROWS, share=0.75, size=120),
)
