"""How well recommendations find their listeners, offline."""
