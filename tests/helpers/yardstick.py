"""Tags as mutagen reads them: the yardstick of ``test_tag_parity.py``."""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mutagen import File, MutagenError
from mutagen.apev2 import APEv2
from mutagen.asf import ASFTags
from mutagen.id3 import ID3, ID3Tags
from mutagen.mp4 import MP4Tags

from musicu.metadata.fields import FIELDS, Metadata, complete_metadata, parse_field
from musicu.metadata.parsers import squeeze

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


def read_by_mutagen(path: Path) -> Metadata:
    """Read the first kind of tags that yields anything."""
    loaders: tuple[Callable[[Any], Any], ...] = (
        lambda file: getattr(File(file), "tags", None),
        ID3,
        APEv2,
    )
    for load in loaders:
        with path.open("rb") as file:
            try:
                found = _parse_tags(load(file))
            except (MutagenError, ValueError, IndexError, KeyError, struct.error):
                continue
        if found:
            return complete_metadata(found)
    return Metadata()


def _parse_tags(tags: Any) -> dict[str, Any]:
    """Parse the fields of any kind of mutagen tags."""
    wanted = {name for field in FIELDS.values() for name in field.names}
    values: dict[str, list[str]] = {}
    for spelling, items in _tag_values(tags):
        name = squeeze(spelling)
        if name in wanted:  # others, such as pictures, may be large and no text
            values.setdefault(name, []).extend(_text(item) for item in items)
    found: dict[str, Any] = {}
    for field, row in FIELDS.items():
        each = [values.get(name, []) for name in row.names]
        for texts in [sum(each, [])] if row.gathered else each:
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
