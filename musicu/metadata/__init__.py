"""What is written about a track: fields, names, tables, playlists."""
