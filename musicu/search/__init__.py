"""Look around in a catalog: similar tracks, blends, journeys, a map; from one moment of it."""
