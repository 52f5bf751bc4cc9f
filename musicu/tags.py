"""Read the metadata that a file's own tags hold."""

import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from musicu.errors import AudioError
from musicu.metadata import (
    FIELD_NAMES,
    GATHERED,
    Metadata,
    complete_metadata,
    parse_field,
    squeeze,
)

__all__ = ["read_tags"]

_ID3_NAMES = {
    "TIT2": "TITLE",
    "TPE1": "ARTIST",
    "TPE2": "ALBUMARTIST",
    "TALB": "ALBUM",
    "TDRC": "DATE",
    "TDRL": "RELEASEDATE",
    "TDOR": "ORIGINALDATE",
    "TCON": "GENRE",
    "TPUB": "LABEL",
    "TSRC": "ISRC",
    "TBPM": "BPM",
    "TKEY": "KEY",
    "TRCK": "TRACK",
    "TPOS": "DISC",
    "TLAN": "LANGUAGE",
    "TMOO": "MOOD",
}
_MP4_NAMES = {
    "\xa9nam": "TITLE",
    "\xa9ART": "ARTIST",
    "aART": "ALBUMARTIST",
    "\xa9alb": "ALBUM",
    "\xa9day": "DATE",
    "\xa9gen": "GENRE",
    "tmpo": "BPM",
    "trkn": "TRACK",
    "disk": "DISC",
    "desc": "DESCRIPTION",
    "ldes": "DESCRIPTION",
}

# What mutagen lets through besides its own MutagenError when the headers of real files are damaged
# byte by byte (1.48; found by mutating files of every container). Each means that these tags
# cannot be read.
_MUTAGEN_LEAKS = (
    ValueError,  # negative sizes (ASF, APEv2), offsets over 64 bits (MP4), bad UTF-16 (ASF)
    IndexError,  # counts and table entries out of range (Ogg, WavPack)
    KeyError,  # unknown attribute type (ASF)
    struct.error,  # header cut short (Opus)
    RecursionError,  # boxes or frames nested thousands deep (MP4, ID3)
)


def read_tags(path: str | os.PathLike[str]) -> Metadata:
    """Read the tags of an audio file.

    ID3 (mp3, aiff, wav), Vorbis comments (flac, ogg, opus), MP4, ASF (wma) and APEv2. The names
    of the fields are those of MusicBrainz Picard's tag mapping and its common variants. Tags that
    are damaged give what could be read of them, which may be nothing; a file that holds no tags
    or is of a kind without tags gives an empty :class:`Metadata`. A value that does not fit its
    field (year "abc", bpm 0) is missing.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    Metadata

    Raises
    ------
    AudioError
        The file cannot be opened.
    """
    # Imported here because start-up should not pay for it.
    from mutagen import File, MutagenError
    from mutagen.aiff import AIFF
    from mutagen.apev2 import APEv2
    from mutagen.asf import ASF
    from mutagen.dsdiff import DSDIFF
    from mutagen.dsf import DSF
    from mutagen.flac import FLAC
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4
    from mutagen.oggflac import OggFLAC
    from mutagen.oggopus import OggOpus
    from mutagen.oggspeex import OggSpeex
    from mutagen.oggvorbis import OggVorbis
    from mutagen.wave import WAVE

    # Only containers whose tags need their parser. ID3 and APEv2 (mp3, WavPack, Monkey's Audio,
    # Musepack) are found without looking at the audio, which may be damaged: mutagen 1.48 never
    # returns from an empty Musepack packet.
    containers = [AIFF, ASF, DSDIFF, DSF, FLAC, MP4, OggFLAC, OggOpus, OggSpeex, OggVorbis, WAVE]
    loaders: tuple[Callable[[Any], Any], ...] = (
        lambda file: getattr(File(file, options=containers), "tags", None),
        ID3,
        APEv2,
    )
    try:
        stream = open(path, "rb")
    except OSError as error:
        raise AudioError(os.fspath(path), error.strerror or "cannot be opened") from error
    with stream:
        for load in loaders:
            stream.seek(0)
            try:
                found = _parse_tags(load(stream))
            except (MutagenError, *_MUTAGEN_LEAKS):
                continue
            if found:
                return complete_metadata(found)
    return Metadata()


def _parse_tags(tags: Any) -> dict[str, Any]:
    """Parse the fields of any kind of mutagen tags."""
    wanted = {name for names in FIELD_NAMES.values() for name in names}
    values: dict[str, list[str]] = {}
    for spelling, items in _tag_values(tags):
        name = squeeze(spelling)
        if name in wanted:  # others, such as pictures, may be large and no text
            values.setdefault(name, []).extend(_text(item) for item in items)
    found: dict[str, Any] = {}
    for field, names in FIELD_NAMES.items():
        each = [values.get(name, []) for name in names]
        for texts in [sum(each, [])] if field in GATHERED else each:
            try:
                value = parse_field(field, texts)
            except ValueError:
                continue  # not what this field holds: missing, or under the next name
            if value:
                found[field] = value
                break
    return found


def _tag_values(tags: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield name and values of each tag, in any kind of mutagen tags."""
    from mutagen.apev2 import APEv2
    from mutagen.asf import ASFTags
    from mutagen.id3 import ID3Tags
    from mutagen.mp4 import MP4Tags

    kind = type(tags)
    if issubclass(kind, ID3Tags):
        for frame in tags.values():
            yield from _frame_values(frame)
    elif issubclass(kind, MP4Tags):
        for atom, items in tags.items():
            yield _MP4_NAMES.get(atom) or atom.rpartition(":")[2], items
    elif issubclass(kind, ASFTags):
        for name, item in tags:
            if name != "Description":  # which is a comment here
                yield name.removeprefix("WM/"), [item.value]
    elif issubclass(kind, APEv2):
        for name, item in tags.items():
            yield name, [item.value]
    elif tags is not None:
        for name, text in tags:
            yield name, [text]


def _frame_values(frame: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield name and values of an ID3 frame that may be wanted (ID3v2.4, section 4)."""
    if frame.FrameID == "UFID" and frame.owner == "http://musicbrainz.org":
        yield "MUSICBRAINZTRACKID", [frame.data]
    elif frame.FrameID == "TCON":
        # mutagen turns "(17)" and "17" into names, and numbers that have none into "Unknown".
        yield "GENRE", [_repaired(name, frame) for name in frame.genres if name != "Unknown"]
    elif frame.FrameID in _ID3_NAMES or frame.FrameID == "TXXX":
        name = frame.desc if frame.FrameID == "TXXX" else _ID3_NAMES[frame.FrameID]
        yield name, [_repaired(str(text), frame) for text in frame.text]


def _repaired(text: str, frame: Any) -> str:
    """Undo the commonest mislabeling of ID3 text: UTF-8 or Windows-1252 marked as Latin-1.

    Latin-1 text is hardly ever valid UTF-8 by chance, and has no use for the codes 0x80 to 0x9f.
    """
    if frame.encoding != 0 or text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        has_codes = re.search("[\x80-\x9f]", text)
        return text.encode("latin-1").decode("cp1252", "replace") if has_codes else text


def _text(value: Any) -> str:
    """Return the text of a tag's value: text, UTF-8 bytes, a number, or (number, total)."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value[0] if isinstance(value, tuple) else value)
