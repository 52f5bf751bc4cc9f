"""The release report: new tracks against a catalog, for those who bring music out."""
