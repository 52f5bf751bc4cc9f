"""Items found by artist and title, as players and servers write them down."""

from __future__ import annotations

from musicu.items.item import Item, Items
from musicu.items.titles import song_title
from musicu.metadata.artists import artist_keys, named_artists
from musicu.metadata.fields import Metadata
from musicu.metadata.names import normalize_name

__all__ = ["NamedItems"]


class NamedItems:
    """Items by their artists and titles.

    Parameters
    ----------
    items : Items
    """

    def __init__(self, items: Items) -> None:
        self._by_recording: dict[str, Item] = {}
        self._by_title: dict[tuple[str, str], list[Item]] = {}
        self._by_song: dict[tuple[str, str], list[Item]] = {}
        for item in items:
            about = item.metadata
            if about.mb_recording:
                self._by_recording.setdefault(about.mb_recording, item)
            if not about.title:
                continue
            song = song_title(item)
            for artist in artist_keys(about):
                self._by_title.setdefault((artist, normalize_name(about.title)), []).append(item)
                if song:
                    self._by_song.setdefault((artist, song), []).append(item)

    def find(self, artist: str, title: str, album: str = "", recording: str = "") -> str | None:
        """Return the id of the item that is called so; None if none is.

        By MusicBrainz's recording; else by one of the artists and the title, as
        :func:`musicu.metadata.names.normalize_name` spells them; else by the song, another version
        of which it may be (:func:`musicu.items.titles.song_title`). Of several, the one on an album
        of the same name, else the first.

        Parameters
        ----------
        artist, title, album : str
            As they are written; the artist's credit may name several.
        recording : str
            MusicBrainz's identifier, lower case.
        """
        if recording in self._by_recording:
            return self._by_recording[recording].id
        artists, name = named_artists(artist), normalize_name(title)
        found = [one for a in artists for one in self._by_title.get((a, name), ())]
        if not found:
            song = song_title(Item("", Metadata(title=title, artist=artist)))
            found = [one for a in artists for one in self._by_song.get((a, song or ""), ())]
        if not found:
            return None
        wanted = normalize_name(album)
        same = (one for one in found if normalize_name(one.metadata.album or "") == wanted)
        return next(same, found[0]).id
