"""``python -m musicu.cli``: the command where its script is not on the path."""

from musicu.cli import main

main()
