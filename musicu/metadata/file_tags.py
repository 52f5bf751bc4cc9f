"""Read the metadata that a file's own tags hold: all of them, field by field from the best."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

from musicu.audio.containers import ASF_HEADER, MP4_BOXES, ReadAt, file_reader
from musicu.audio.media import open_media
from musicu.audio.source import Source
from musicu.audio.tag_blocks import TagBlock, blocks_before, blocks_behind
from musicu.errors import AudioError
from musicu.metadata.fields import (
    FIELDS,
    Metadata,
    complete_metadata,
    frame_names,
    parse_field,
)
from musicu.metadata.id3 import NAMES, Texts, genre_names, read_id3v1, read_id3v2
from musicu.metadata.names import split_artists, split_joined
from musicu.metadata.native_tags import (
    read_ape,
    read_asf,
    read_chunks,
    read_flac,
    read_mp4,
    read_ogg,
)
from musicu.metadata.parsers import is_placeholder, squeeze
from musicu.metadata.path_guesses import guess_metadata
from musicu.metadata.text_encodings import decode

__all__ = ["read_tags", "read_texts"]

_WANTED = frozenset(name for field in FIELDS.values() for name in field.names)
# ID3v1 cuts at 30 bytes; what was copied from it is as long, or a little less without its spaces.
_CUT = range(28, 31)
_NAMES_CUT = ("title", "artist", "album", "album_artist")
_MATROSKA_NAMES = frame_names("matroska")
_MOST_BLOCKS = 16  # at each end of a file
# FFmpeg reads 5 MB of samples otherwise, to see whether they are some.
_HEADERS_ONLY = {"probesize": "65536"}
# Formats whose own tags are APEv2: WavPack, Monkey's Audio, Musepack 7 and 8, OptimFROG.
_APE_FIRST = (b"wvpk", b"MAC ", b"MP+", b"MPCK", b"OFR ")
# Chunks that hold tags: not those of W64 and CAF.
_CHUNKED = (b"RIFF", b"RF64", b"BW64", b"FORM", b"FRM8", b"DSD ")


@dataclass(frozen=True, slots=True)
class _Block:
    """Texts that stand together in a file; what kind of tag, and the version of ID3v2."""

    kind: str
    texts: Texts
    version: int = 0


def read_tags(path: str | os.PathLike[str]) -> Metadata:
    """Read the tags of an audio file, and what its path says where they say nothing.

    All blocks of tags are read: ID3v2 (at both ends, inside WAV, AIFF and DSF), APEv2, ID3v1,
    Vorbis comments, MP4, ASF, the chunks of RIFF and AIFF; and whatever FFmpeg knows where these
    have no title or no artist. Each field is taken from the best block that has it: the format's
    own before those that may stand beside it, ID3v1 last; a text that ID3v1 has cut gives way to
    the whole one. The names of the fields are those of MusicBrainz Picard's tag mapping and its
    common variants.

    Text whose encoding is not stated is read as what it most likely is (see
    :func:`musicu.metadata.text_encodings.decode`); where that is not clear, the field is in
    ``doubtful``. A value that does not fit its field (year "abc", bpm 0), and one that stands for
    none ("Unknown Artist", "Track 01"), is missing. What is missing may be told by the path: see
    :func:`musicu.metadata.path_guesses.guess_metadata`; those fields are in ``guessed``.

    Tags that are damaged give what could be read of them, which may be nothing.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    Metadata

    Raises
    ------
    AudioError
        The file cannot be opened or read.
    """
    name = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            raise AudioError(name, "a folder or device, not a file")
        with open(name, "rb") as file:
            found = _merged(map(_fields, _blocks(file)))
            if not (found.get("title") and found.get("artist")):
                found = _merged([found, _fields(_of_ffmpeg(name))])
    except OSError as error:
        cause = "file" if isinstance(error, FileNotFoundError) else "system"
        reason = error.strerror or "cannot be read"
        raise AudioError(name, reason.lower(), cause=cause) from error
    return guess_metadata(name, complete_metadata(found))


def read_texts(file: BinaryIO) -> dict[str, list[str]]:
    """Return the texts that all tags of a file hold, the best block's first, unparsed.

    Parameters
    ----------
    file : binary file

    Returns
    -------
    dict of str to list of str
        By name, as :func:`musicu.metadata.parsers.squeeze` spells it; only names that a field of
        :class:`Metadata` goes by.
    """
    found: dict[str, list[str]] = {}
    for block in _blocks(file):
        for name, texts in _read_texts(block)[0].items():
            found.setdefault(name, []).extend(texts)
    return found


def _blocks(file: BinaryIO) -> list[_Block]:
    """Return all blocks of tags, the best first."""
    read, size = file_reader(file), file.seek(0, os.SEEK_END)
    # What reaches the end of the file is found from there, but for a file that is only a tag.
    before = [
        block
        for block in islice(blocks_before(read), _MOST_BLOCKS)
        if block.stop < size or block.kind in ("ID3v2", "APEv2")
    ]
    start = min(before[-1].stop, size) if before else 0
    behind = list(islice(blocks_behind(read, start, size, padded=False), _MOST_BLOCKS))
    # ID3v1 anywhere but at the end is what somebody forgot there.
    read_here = [b for b in (*before, *behind) if b.kind != "ID3v1" or b.stop == size]
    around = [_read_block(read, block) for block in read_here]
    magic = read(start, 16)
    own = _of_container(lambda at, count: read(start + at, count), magic, size - start)
    rank = {"APEv2": 0} if magic.startswith(_APE_FIRST) else {"APEv2": 2}
    rank |= {"ID3v2": 1, "ID3v1": 3}
    known = [block for block in around if block.kind in rank]
    return [*own, *sorted(known, key=lambda block: rank[block.kind])]


def _read_block(read: ReadAt, block: TagBlock) -> _Block:
    if block.kind == "ID3v2":
        texts, _, version = read_id3v2(read, block.start)
        return _Block(block.kind, texts, version)
    if block.kind == "ID3v1":
        return _Block(block.kind, read_id3v1(read(block.stop - 128, 128)))
    if block.kind == "APEv2":
        # The items stand between a header and a footer, either of which may be missing. A header
        # may be damaged where the footer is not: it counts the items and itself.
        start, stop = block.start + 32, block.stop
        footer = read(stop - 32, 32)
        if footer.startswith(b"APETAGEX"):
            start = max(start - 32, stop - int.from_bytes(footer[12:16], "little"))
            stop -= 32
        return _Block(block.kind, read_ape(read, start, stop))
    return _Block(block.kind, [])


def _of_container(read: ReadAt, magic: bytes, size: int) -> Iterator[_Block]:
    """Yield the blocks of the format itself, whose first byte is at position 0."""
    if magic.startswith(b"fLaC"):
        yield _Block("Vorbis", read_flac(read, size))
    elif magic.startswith(b"OggS"):
        yield _Block("Vorbis", read_ogg(read))
    elif magic == ASF_HEADER:
        yield _Block("ASF", read_asf(read, size))
    elif magic[4:8] in MP4_BOXES:
        yield _Block("MP4", read_mp4(read, size))
    elif magic.startswith(_CHUNKED):
        texts, places = read_chunks(read, size)
        for place in places:
            inner, _, version = read_id3v2(read, place)
            yield _Block("ID3v2", inner, version)
        yield _Block("chunks", texts)


def _of_ffmpeg(path: str) -> _Block:
    """Return what FFmpeg knows of the container and of its audio."""
    import av

    texts: Texts = []
    try:
        with Source(path) as source, open_media(source, options=_HEADERS_ONLY) as container:
            known = dict(container.metadata)
            audio = container.streams.best("audio") if container.streams.audio else None
            # The language of a stream is often set by no one.
            of_stream = dict(audio.metadata if audio else {})
            known = {k: v for k, v in of_stream.items() if k.lower() != "language"} | known
    except av.FFmpegError:
        known = {}
    for name, text in known.items():
        scope, _, inner = name.rpartition("/")  # of what Matroska's tag speaks: "ALBUM/TITLE"
        # "ALBUM/TITLE" is a title of the album.
        name = inner if scope.upper() in ("", "TRACK") else f"{scope}{inner}"
        name = _MATROSKA_NAMES.get(name.upper(), NAMES.get(name, name))
        value = text.encode("utf-8", "surrogateescape")
        texts.append((name, text if text.isprintable() else value))
    return _Block("FFmpeg", texts)


def _fields(block: _Block) -> dict[str, Any]:
    """Parse the fields that a block holds, and which of them are doubtful."""
    values, unsure = _read_texts(block)
    if block.kind == "ID3v2" and block.version < 4:
        _unjoin(values)
    found: dict[str, Any] = {}
    doubtful = []
    for field, row in FIELDS.items():
        each = [([name], values.get(name, [])) for name in row.names]
        gathered = [(list(row.names), sum((texts for _, texts in each), []))]
        for origin, texts in gathered if row.gathered else each:
            try:
                value = parse_field(field, [t for t in texts if not is_placeholder(field, t)])
            except ValueError:
                continue  # not what this field holds: missing, or under the next name
            if value:
                found[field] = value
                if unsure.intersection(origin):
                    doubtful.append(field)
                break
    return found | ({"doubtful": tuple(doubtful)} if doubtful else {})


def _read_texts(block: _Block) -> tuple[dict[str, list[str]], set[str]]:
    """Return the wanted texts of each name, and the names whose letters are not certain.

    What is of unknown encoding in one block was written by one program: it is judged together.
    """
    # Other names, such as those of pictures, may be large and no text.
    wanted = [(squeeze(name), text) for name, text in block.texts]
    wanted = [(name, text) for name, text in wanted if name in _WANTED]
    raw = [text for _, text in wanted if isinstance(text, bytes)]
    texts, sure = decode(raw, stated=block.kind == "ID3v2") if raw else ([], True)
    decoded = iter(texts)
    values: dict[str, list[str]] = {}
    unsure = set()
    for name, text in wanted:
        if isinstance(text, bytes):
            if not sure and not text.isascii():
                unsure.add(name)
            text = next(decoded)
        several = [text]
        if block.kind in ("ID3v2", "FFmpeg") and name == "GENRE":
            several = genre_names(text)
        values.setdefault(name, []).extend(several)
    return values, unsure


def _unjoin(values: dict[str, list[str]]) -> None:
    """Part what programs join with "/" in versions of ID3 that hold one value a frame.

    A slash may belong to a name (AC/DC). Several MusicBrainz identifiers tell how many artists
    there are, and that the program joins; so do artists that the credit names one by one.
    """
    try:
        ids = len(parse_field("mb_artists", values.get("MUSICBRAINZARTISTID", [])) or ())
    except ValueError:
        ids = 0
    credit = "; ".join(values.get("ARTIST", []))
    joins = ids > 1
    # A credit beside the artists one by one, or that names as many, is whole: "AC/DC feat. B".
    is_credit = values.get("ARTISTS", [credit]) != [credit] or len(split_artists(credit)) == ids
    for name in ("ARTISTS",) if is_credit else ("ARTISTS", "ARTIST"):
        if len(values.get(name, [])) == 1:
            values[name] = split_joined(values[name][0], ids, credit)
            joins |= len(values[name]) > 1
    for name in ("GENRE", *FIELDS["tags"].names) if joins else ():
        if name in values:
            values[name] = [part for text in values[name] for part in text.split("/")]


def _merged(blocks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Take each field from the first block that has it, or a later one that has more of the same.

    Two fields that say one thing are taken together.
    """
    found: dict[str, Any] = {}
    doubtful: set[str] = set()
    for block in blocks:
        wanted = [
            field
            for field, value in block.items()
            if field in FIELDS and (field not in found or _is_whole(field, value, found[field]))
        ]
        if {"artist", "artists"} & found.keys():
            whole = "artist" in wanted and "artist" in found
            wanted = [field for field in wanted if field not in ("artist", "artists")]
            wanted += ["artist", "artists"] if whole else []
        if "year" in found and not str(block.get("date", "")).startswith(str(found["year"])):
            wanted = [field for field in wanted if field != "date"]
        found |= {field: block[field] for field in wanted}
        doubtful -= set(wanted)
        doubtful |= set(wanted) & set(block.get("doubtful", ()))
    return found | ({"doubtful": tuple(sorted(doubtful))} if doubtful else {})


def _is_whole(field: str, value: Any, known: Any) -> bool:
    """Tell whether a text is the whole of what is known: of a cut name, or of a year."""
    if not isinstance(value, str) or len(value) <= len(known) or not value.startswith(known):
        return False
    return field == "date" or (field in _NAMES_CUT and len(known) in _CUT)
