"""Short files of each container, and the same tags written into them as each writes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import soundfile
from mutagen import id3
from mutagen.apev2 import APEv2
from mutagen.mp4 import MP4FreeForm

from musicu.metadata.fields import Metadata

UUIDS = [f"{i}{i}{i}{i}{i}{i}{i}{i}-0000-4000-8000-00000000000{i}" for i in range(1, 6)]
FULL = Metadata(
    title="Jóga",
    artist="Björk; 米津玄師",
    artists=("Björk", "米津玄師"),
    album="Homogenic",
    album_artist="Björk",
    year=1997,
    date="1997-09-22",
    genres=("Art Pop", "Electronic"),
    label="One Little Indian",
    isrc="GBAYE9700123",
    mb_track=UUIDS[0],
    mb_recording=UUIDS[1],
    mb_artists=(UUIDS[2], UUIDS[3]),
    mb_album=UUIDS[4],
    bpm=84.0,
    key="F#m",
    track=2,
    disc=1,
    country="IS",
    language="is",
    tags=("epic", "cold", "wide", "Dreamy"),
    description="A hymn.",
)
# The same by Picard's names, for the formats whose tags are names and texts.
NAMED: dict[str, list[str]] = {
    "TITLE": ["Jóga"],
    "ARTIST": ["Björk", "米津玄師"],
    "ALBUM": ["Homogenic"],
    "ALBUMARTIST": ["Björk"],
    "DATE": ["1997-09-22"],
    "GENRE": ["Art Pop", "Electronic"],
    "LABEL": ["One Little Indian"],
    "ISRC": ["GB-AYE-97-00123"],
    "MUSICBRAINZ_RELEASETRACKID": [UUIDS[0]],
    "MUSICBRAINZ_TRACKID": [UUIDS[1]],
    "MUSICBRAINZ_ARTISTID": UUIDS[2:4],
    "MUSICBRAINZ_ALBUMID": [UUIDS[4]],
    "BPM": ["84"],
    "INITIALKEY": ["F#m"],
    "TRACKNUMBER": ["2/10"],
    "DISCNUMBER": ["1"],
    "RELEASECOUNTRY": ["is"],
    "LANGUAGE": ["isl"],
    "MOOD": ["Dreamy", "Epic"],
    "KEYWORDS": ["epic", "cold, wide"],
    "DESCRIPTION": ["A hymn."],
    "COMMENT": ["ripped with care"],
}
SOUND = (0.1 * np.sin(np.arange(4800) / 10)).astype(np.float32)


def write_audio(path: Path) -> None:
    """Write a tenth of a second in the container that the suffix names."""
    codec = {".m4a": "aac", ".wma": "wmav2", ".wv": "wavpack"}.get(path.suffix)
    if codec is None:
        kind = {".ogg": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS")}.get(path.suffix, (None, None))
        soundfile.write(path, SOUND, 48000, format=kind[0], subtype=kind[1])
        return
    container = {".m4a": "ipod", ".wma": "asf", ".wv": "wv"}[path.suffix]
    with av.open(str(path), "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=48000)
        stream.layout = "mono"
        stream.bit_rate = 64000
        frame = av.AudioFrame.from_ndarray(SOUND[None], format="fltp", layout="mono")
        frame.sample_rate = 48000
        size = stream.codec_context.frame_size or None
        resampler = av.AudioResampler(stream.format or "fltp", "mono", 48000, frame_size=size)
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            out.mux(stream.encode(piece))


def tag_id3(path: Path) -> None:
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for frame in (
        id3.TIT2(3, ["Jóga"]),
        id3.TPE1(1, ["Björk", "米津玄師"]),
        id3.TALB(0, ["Homogenic"]),
        id3.TPE2(3, ["Björk"]),
        id3.TDRC(3, ["1997-09-22"]),
        id3.TCON(3, ["Art Pop", "(52)"]),
        id3.TPUB(3, ["One Little Indian"]),
        id3.TSRC(0, ["GBAYE9700123"]),
        id3.UFID("http://musicbrainz.org", UUIDS[1].encode()),
        id3.TXXX(3, "MusicBrainz Release Track Id", [UUIDS[0]]),
        id3.TXXX(3, "MusicBrainz Artist Id", UUIDS[2:4]),
        id3.TXXX(3, "MusicBrainz Album Id", [UUIDS[4]]),
        id3.TBPM(3, ["84"]),
        id3.TKEY(3, ["F#m"]),
        id3.TRCK(3, ["2/10"]),
        id3.TPOS(3, ["1"]),
        id3.TXXX(3, "MusicBrainz Album Release Country", ["IS"]),
        id3.TLAN(3, ["isl"]),
        id3.TMOO(3, NAMED["MOOD"]),
        id3.TXXX(3, "KEYWORDS", NAMED["KEYWORDS"]),
        id3.TXXX(3, "DESCRIPTION", ["A hymn."]),
        id3.COMM(3, "eng", "description", ["ripped with care"]),
    ):
        file.tags.add(frame)
    file.save()


def tag_names(path: Path) -> None:
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    file.tags.update(NAMED)
    file.save()


def tag_mp4(path: Path) -> None:
    file = mutagen.File(path)
    file.tags.update(
        {
            "\xa9nam": NAMED["TITLE"],
            "\xa9ART": NAMED["ARTIST"],
            "\xa9alb": NAMED["ALBUM"],
            "aART": NAMED["ALBUMARTIST"],
            "\xa9day": NAMED["DATE"],
            "\xa9gen": NAMED["GENRE"],
            "tmpo": [84],
            "trkn": [(2, 10)],
            "disk": [(1, 0)],
            "desc": NAMED["DESCRIPTION"],
            "\xa9cmt": NAMED["COMMENT"],
        }
    )
    freeform = {
        "LABEL": "LABEL",
        "ISRC": "ISRC",
        "initialkey": "INITIALKEY",
        "MusicBrainz Release Track Id": "MUSICBRAINZ_RELEASETRACKID",
        "MusicBrainz Track Id": "MUSICBRAINZ_TRACKID",
        "MusicBrainz Artist Id": "MUSICBRAINZ_ARTISTID",
        "MusicBrainz Album Id": "MUSICBRAINZ_ALBUMID",
        "MusicBrainz Album Release Country": "RELEASECOUNTRY",
        "LANGUAGE": "LANGUAGE",
        "MOOD": "MOOD",
        "KEYWORDS": "KEYWORDS",
    }
    for name, known in freeform.items():
        texts = [MP4FreeForm(text.encode()) for text in NAMED[known]]
        file.tags[f"----:com.apple.iTunes:{name}"] = texts
    file.save()


def tag_asf(path: Path) -> None:
    names = {
        "Title": "TITLE",
        "Author": "ARTIST",
        "WM/AlbumTitle": "ALBUM",
        "WM/AlbumArtist": "ALBUMARTIST",
        "WM/Year": "DATE",
        "WM/Genre": "GENRE",
        "WM/Publisher": "LABEL",
        "WM/ISRC": "ISRC",
        "MusicBrainz/Release Track Id": "MUSICBRAINZ_RELEASETRACKID",
        "MusicBrainz/Track Id": "MUSICBRAINZ_TRACKID",
        "MusicBrainz/Artist Id": "MUSICBRAINZ_ARTISTID",
        "MusicBrainz/Album Id": "MUSICBRAINZ_ALBUMID",
        "WM/BeatsPerMinute": "BPM",
        "WM/InitialKey": "INITIALKEY",
        "WM/TrackNumber": "TRACKNUMBER",
        "WM/PartOfSet": "DISCNUMBER",
        "MusicBrainz/Album Release Country": "RELEASECOUNTRY",
        "WM/Language": "LANGUAGE",
        "WM/Mood": "MOOD",
        "KEYWORDS": "KEYWORDS",
        "WM/Description": "DESCRIPTION",
        "Description": "COMMENT",
    }
    file = mutagen.File(path)
    for name, known in names.items():
        file.tags[name] = NAMED[known]
    file.save()


def tag_ape(path: Path) -> None:
    names = {
        "DATE": "Year",
        "TRACKNUMBER": "Track",
        "DISCNUMBER": "Disc",
        "ALBUMARTIST": "Album Artist",
    }
    tags = APEv2()
    for known, texts in NAMED.items():
        tags[names.get(known, known)] = texts
    tags.save(path)


TAGGERS: dict[str, Callable[[Path], None]] = {
    "mp3": tag_id3,
    "wav": tag_id3,
    "aiff": tag_id3,
    "flac": tag_names,
    "ogg": tag_names,
    "opus": tag_names,
    "m4a": tag_mp4,
    "wma": tag_asf,
    "wv": tag_ape,
}
