"""How well what comes next in a session is told."""
