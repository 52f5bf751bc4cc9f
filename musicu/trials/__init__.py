"""How recommendations are measured: rankings, what lies beyond them, chance, a page to read."""
