"""The campaign against musicu: damaged files, killed processes, rot, scarcity, hostile input.

``make torture SEED=7 MINUTES=30`` runs it; ``docs/reliability.md`` says what it found. A *kind* of
attack works in *rounds*, each drawn from the seed, its kind and its number alone, so that a round
can be repeated: ``make torture SEED=7 ONLY=mutants:3``. A round tries many things, and judges each.
"""
