"""Several blocks of tags in one file, each of which knows something; and damage in them."""

import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import av
import pytest
from mutagen import id3
from mutagen.apev2 import APEv2
from tagged_files import TAGGERS, tag_names, write_audio

from musicu.errors import AudioError
from musicu.items.item import Item, Items
from musicu.items.quality import inspect_items
from musicu.metadata.fields import Metadata
from musicu.metadata.file_tags import read_tags
from musicu.metadata.names import split_joined
from musicu.metadata.parsers import is_placeholder

LONG = "The Extremely Long Title Of This Very Song (Extended Mix)"
IDS = [f"{n}0000000-0000-4000-8000-000000000000" for n in range(1, 4)]


def id3v1(title: str | bytes, artist: str | bytes, album: str = "", year: str = "") -> bytes:
    def fixed(text: str | bytes, size: int) -> bytes:
        raw = text.encode("latin-1") if isinstance(text, str) else text
        return raw[:size].ljust(size, b"\0")

    named = fixed(title, 30) + fixed(artist, 30) + fixed(album, 30) + fixed(year, 4)
    return b"TAG" + named + bytes(30) + b"\xff"


def id3v2(*frames: id3.Frame, version: int = 4, separator: str | None = "/") -> bytes:
    """Bytes of a tag, as mutagen writes it."""
    import io

    tags = id3.ID3()
    for frame in frames:
        tags.add(frame)
    if version == 3:
        tags.update_to_v23()
    file = io.BytesIO()
    tags.save(file, v2_version=version, v23_sep=separator)
    return file.getvalue()


@pytest.fixture
def mp3(tmp_path: Path) -> Path:
    write_audio(tmp_path / "a.mp3")
    return tmp_path / "a.mp3"


def with_ape(path: Path, **items: Any) -> None:
    tags = APEv2()
    tags.update(items)
    tags.save(path)


@pytest.mark.parametrize("kind", ["mp3", "wv"])
def test_id3v1_never_prevails_over_the_whole_text(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    write_audio(path)
    with_ape(
        path, Title=LONG, Artist=["First Artist Of A Rather Long Name", "B"], Year="2003-05-06"
    )
    with path.open("ab") as file:
        file.write(id3v1(LONG, "First Artist Of A Rather Long Name", "Some Album", "2003"))
    found = read_tags(path)
    assert (found.title, found.date, found.album) == (LONG, "2003-05-06", "Some Album")
    assert found.artists == ("First Artist Of A Rather Long Name", "B")


def test_what_id3v1_has_cut_is_completed_from_a_block_below(mp3: Path) -> None:
    with_ape(mp3, Title=LONG, Artist="A", Year="2003-05-06")
    cut = id3v2(id3.TIT2(3, [LONG[:30]]), id3.TPE1(3, ["A"]), id3.TDRC(3, ["2003"]))
    mp3.write_bytes(cut + mp3.read_bytes())
    found = read_tags(mp3)
    assert (found.title, found.date) == (LONG, "2003-05-06")


def test_fields_that_id3v2_lacks_come_from_apev2(mp3: Path) -> None:
    with_ape(mp3, Title="Song", Artist="Alpha", Genre="Dream Pop")
    mp3.write_bytes(id3v2(id3.TCON(3, ["House"])) + mp3.read_bytes())
    found = read_tags(mp3)
    assert (found.title, found.artist, found.genres) == ("Song", "Alpha", ("House",))


def test_two_blocks_of_id3v2_are_read(mp3: Path) -> None:
    first, second = id3v2(id3.TIT2(3, ["New"])), id3v2(id3.TIT2(3, ["Old"]), id3.TPE1(3, ["A"]))
    mp3.write_bytes(first + second + mp3.read_bytes())
    assert (read_tags(mp3).title, read_tags(mp3).artist) == ("New", "A")


def test_id3v2_behind_the_audio_is_read(mp3: Path) -> None:
    tag = bytearray(id3v2(id3.TIT2(3, ["Behind"])))
    tag[5] |= 0x10
    footer = b"3DI" + bytes(tag[3:10])
    mp3.write_bytes(mp3.read_bytes() + bytes(tag) + footer + id3v1("Behi", "Alpha"))
    assert (read_tags(mp3).title, read_tags(mp3).artist) == ("Behind", "Alpha")


@pytest.mark.parametrize("before", [bytes(700), b"TAG" + bytes(125)], ids=["zeros", "ID3v1"])
def test_tags_begin_where_the_audio_does_behind_what_is_left_over(
    tmp_path: Path, before: bytes
) -> None:
    path = tmp_path / "a.flac"
    write_audio(path)
    tag_names(path)
    known = read_tags(path)
    assert known.title
    path.write_bytes(id3v2(id3.TLAN(3, ["deu"])) + before + path.read_bytes())
    assert read_tags(path) == known


def test_apev2_is_found_in_front_of_lyrics_and_id3v1(mp3: Path) -> None:
    with_ape(mp3, Title="Song")
    lyrics = b"LYRICSBEGININD00002000"
    lyrics += b"%06dLYRICS200" % len(lyrics)
    with mp3.open("ab") as file:
        file.write(lyrics + id3v1("So", "Alpha"))
    assert (read_tags(mp3).title, read_tags(mp3).artist) == ("Song", "Alpha")


def test_unsynchronized_and_old_id3_is_read(mp3: Path) -> None:
    def frame(name: bytes, text: bytes) -> bytes:
        return name + len(text).to_bytes(3, "big") + text

    body = frame(b"TT2", b"\x01\xff\xfeS\0o\0n\0g\0") + frame(b"TP1", b"\0Alpha")
    body = body.replace(b"\xff\xfe", b"\xff\x00\xfe")
    sound = mp3.read_bytes()
    mp3.write_bytes(b"ID3\x02\0\x80" + bytes([0, 0, 0, len(body)]) + body + sound)
    assert (read_tags(mp3).title, read_tags(mp3).artist) == ("Song", "Alpha")


def test_comments_behind_a_skeleton_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    write_audio(path)
    tag_names(path)
    data = path.read_bytes()
    skeleton = b"fishead\0" + struct.pack("<HH", 3, 0) + bytes(52)
    page = b"OggS\0\2" + bytes(8) + b"\x11\x11\x11\x11" + bytes(8) + b"\1" + bytes([len(skeleton)])
    first = 27 + data[26] + sum(data[27 : 27 + data[26]])
    path.write_bytes(page + skeleton + data)
    assert read_tags(path).title == "Jóga"
    path.write_bytes(data[:first] + page + skeleton + data[first:])
    assert read_tags(path).title == "Jóga"


@pytest.mark.parametrize(
    ("kind", "container", "codec"),
    [
        ("mka", "matroska", "flac"),
        ("webm", "webm", "libopus"),
        ("caf", "caf", "pcm_s16be"),
        ("au", "au", "pcm_s16be"),
        ("wav", "wav", "pcm_s16le"),
        ("w64", "w64", "pcm_s16le"),
        ("mp4", "mp4", "aac"),
        ("aiff", "aiff", "pcm_s16be"),
        ("tta", "tta", "tta"),
    ],
)
def test_what_ffmpeg_writes_is_read(tmp_path: Path, kind: str, container: str, codec: str) -> None:
    path = tmp_path / f"a.{kind}"
    with av.open(str(path), "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=48000)
        stream.layout = "mono"
        said = {"title": "Song", "artist": "Alpha", "album": "Alb", "genre": "Rock"}
        out.metadata.update(said | {"date": "2003"})
        frame = av.AudioFrame(format=stream.format.name, layout="mono", samples=960)
        frame.sample_rate = 48000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        size = stream.codec_context.frame_size or None
        resampler = av.AudioResampler(stream.format, "mono", 48000, frame_size=size)
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            out.mux(stream.encode(piece))
    found = read_tags(path)
    if kind == "w64":  # has no place for tags
        assert found.title is None
    elif kind == "aiff":  # has one for the title and the artist alone
        assert found.title == "Song"
    else:
        assert (found.title, found.artist, found.album) == ("Song", "Alpha", "Alb")
        assert found.genres == ("Rock",)


def test_what_3gpp_writes_is_read(tmp_path: Path) -> None:
    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + name + content

    texts = {b"titl": "Söng".encode(), b"perf": "\ufeffÁlpha".encode("utf-16-be"), b"albm": b"Alb"}
    boxes = [box(name, b"\0\0\0\0\x15\xc7" + text + b"\0\0") for name, text in texts.items()]
    boxes.append(box(b"yrrc", b"\0\0\0\0" + struct.pack(">H", 2004)))
    path = tmp_path / "a.3gp"
    path.write_bytes(box(b"ftyp", b"3gp4") + box(b"moov", box(b"udta", b"".join(boxes))))
    found = read_tags(path)
    assert (found.title, found.artist, found.album) == ("Söng", "Álpha", "Alb")
    assert (found.year, found.guessed) == (2004, ())


def test_slashes_of_id3v23_are_parted_by_the_number_of_artists(mp3: Path) -> None:
    sound = mp3.read_bytes()

    def read(*frames: id3.Frame) -> Metadata:
        mp3.write_bytes(id3v2(*frames, version=3) + sound)
        return read_tags(mp3)

    ids = id3.TXXX(0, "MusicBrainz Artist Id", IDS[:2])
    found = read(
        id3.TPE1(1, ["Alpha Sun & Beta Moon"]),
        id3.TXXX(1, "ARTISTS", ["Alpha Sun", "Beta Moon"]),
        id3.TSRC(0, ["GBAYE0601498", "GBAYE0601477"]),
        id3.TCON(1, ["Rock", "Dream Pop"]),
        id3.TLAN(0, ["eng", "fra"]),
        id3.TXXX(1, "MOOD", ["Calm", "Warm"]),
        ids,
    )
    assert (found.artist, found.artists) == ("Alpha Sun & Beta Moon", ("Alpha Sun", "Beta Moon"))
    assert (found.isrc, found.language) == ("GBAYE0601498", "en")
    assert (found.genres, found.tags) == (("Rock", "Dream Pop"), ("Calm", "Warm"))
    assert read(id3.TPE1(1, ["Alpha", "Beta"]), ids).artists == ("Alpha", "Beta")
    assert read(id3.TPE1(1, ["AC/DC"])).artists == ("AC/DC",)
    assert read(id3.TPE1(1, ["AC/DC"]), id3.TXXX(0, "ARTISTS", ["AC/DC"])).artists == ("AC/DC",)
    found = read(id3.TPE1(1, ["AC/DC feat. Beta"]), id3.TXXX(1, "ARTISTS", ["AC/DC", "Beta"]), ids)
    assert (found.artist, found.artists) == ("AC/DC feat. Beta", ("AC/DC", "Beta"))
    found = read(id3.TPE1(1, ["AC/DC feat. Beta"]), ids)
    assert (found.artist, found.artists) == ("AC/DC feat. Beta", ("AC/DC", "Beta"))
    assert read(id3.TCON(1, ["Pop/Rock"])).genres == ("Pop/Rock",)


def test_names_are_parted_only_where_something_tells_them_apart() -> None:
    assert split_joined("A/B", 2, "A/B") == ["A", "B"]
    assert split_joined("A/B", 0, "A & B") == ["A", "B"]
    assert split_joined("A/B", 1, "A & B") == ["A/B"]
    assert split_joined("A/B", 0, "A/B") == ["A/B"]
    assert split_joined("AC/DC/B", 2, "AC/DC with B") == ["AC/DC", "B"]
    assert split_joined("/".join("abcdefghijkl"), 3, "a") == ["/".join("abcdefghijkl")]


@pytest.mark.parametrize("kind", ["flac", "ogg", "opus", "wma", "wv"])
def test_an_artist_written_twice_is_one(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    write_audio(path)
    TAGGERS[kind](path)
    import mutagen

    file = mutagen.File(path)
    file.tags["Author" if kind == "wma" else "artist"] = ["Alpha", "Alpha"]
    file.save()
    assert read_tags(path).artist == "Alpha"


@pytest.mark.parametrize(
    ("encoding", "title", "artist"),
    [
        ("cp1251", "Группа крови", "Кино"),
        ("shift_jis", "宇多田ヒカル", "初恋"),
        ("cp1250", "Žluťoučký kůň", "Třešňák"),
        ("euc-kr", "다시 만난 세계", "소녀시대"),
        ("gbk", "月亮代表我的心", "邓丽君"),
    ],
)
def test_id3_of_other_encodings_has_its_letters(
    mp3: Path, encoding: str, title: str, artist: str
) -> None:
    sound = mp3.read_bytes()
    mp3.write_bytes(sound + id3v1(title.encode(encoding), artist.encode(encoding)))
    assert (read_tags(mp3).title, read_tags(mp3).artist) == (title, artist)
    mislabeled = [text.encode(encoding).decode("latin-1") for text in (title, artist)]
    tag = id3v2(id3.TIT2(0, [mislabeled[0]]), id3.TPE1(0, [mislabeled[1]]))
    mp3.write_bytes(tag + sound)
    assert (read_tags(mp3).title, read_tags(mp3).artist) == (title, artist)
    assert read_tags(mp3).doubtful == ()


def test_letters_that_are_not_certain_are_kept_and_told(mp3: Path) -> None:
    mp3.write_bytes(mp3.read_bytes() + id3v1("Őszi".encode("cp1250"), b"Alpha"))
    found = read_tags(mp3)
    assert found.title is not None
    assert found.title.encode("latin-1") == "Őszi".encode("cp1250")
    assert found.doubtful == ("title",)
    report = inspect_items(Items([Item("x", found), Item("y", Metadata(title="Õszi"))]))
    (finding,) = report.of("doubtful letters")
    assert finding.ids == ("x",)


def test_items_that_only_their_path_names_are_listed() -> None:
    named = Metadata(title="Song", artist="A", artists=("A",), guessed=("title",))
    report = inspect_items(Items([Item("x", named), Item("y", Metadata(title="T"))]))
    (finding,) = report.of("guessed from the path")
    assert finding.ids == ("x",)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("artist", "(None)"),
        ("artist", "<Unknown>"),
        ("artist", "Unknown Artist"),
        ("artist", "unknown"),
        ("artist", "Unbekannter Künstler"),
        ("artist", "Artiste inconnu"),
        ("album", "Unknown Album (3/12/2004 5:43:01 PM)"),
        ("title", "Track 01"),
        ("title", "01 Track 1"),
        ("title", "Titel 1"),
        ("title", "AudioTrack 01"),
        ("title", "Piste 12"),
        ("genres", "Unknown"),
    ],
)
def test_placeholders_count_as_missing(mp3: Path, field: str, text: str) -> None:
    assert is_placeholder(field, text)
    frame = {"artist": id3.TPE1, "album": id3.TALB, "title": id3.TIT2, "genres": id3.TCON}[field]
    mp3.write_bytes(id3v2(frame(3, [text])) + mp3.read_bytes())
    assert not getattr(read_tags(mp3), field)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("title", "None"),
        ("title", "Track of My Tears"),
        ("title", "Track"),
        ("artist", "Unknown Mortal Orchestra"),
        ("artist", "Track 01"),
        ("album", "Unknown Pleasures"),
        ("artist", "Various Artists"),
        ("album", "Album"),
    ],
)
def test_names_that_only_look_like_placeholders_stay(field: str, text: str) -> None:
    assert not is_placeholder(field, text)


@pytest.mark.parametrize("kind", TAGGERS)
def test_sizes_that_claim_gigabytes_cost_nothing(tmp_path: Path, kind: str) -> None:
    """Each four bytes of the head, one after the other, claim the most there can be."""
    path = tmp_path / f"a.{kind}"
    write_audio(path)
    TAGGERS[kind](path)
    data = path.read_bytes()
    tracemalloc.start()
    try:
        for at in range(0, min(len(data), 800), 4):
            for claim in (b"\xff\xff\xff\xff", b"\x7f\x7f\x7f\x7f", b"\xf0\xff\xff\x7f"):
                path.write_bytes(data[:at] + claim + data[at + 4 :])
                read_tags(path)
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()


def test_a_cover_of_any_size_is_passed_over(mp3: Path) -> None:
    cover = id3.APIC(0, "image/png", 3, "", bytes(30 << 20))
    tag = id3v2(cover, id3.TIT2(3, ["Song"]), id3.TPE1(3, ["Alpha"]))
    mp3.write_bytes(tag + mp3.read_bytes())
    tracemalloc.start()
    try:
        assert read_tags(mp3).title == "Song"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp3")
    for path in (tmp_path, tmp_path / "pipe.mp3"):
        with pytest.raises(AudioError):
            read_tags(path)
    with pytest.raises(AudioError) as told:
        read_tags(tmp_path / "none.mp3")
    assert told.value.cause == "file"


def test_a_file_that_may_not_be_read_is_the_systems_fault(
    mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(AudioError, match="permission denied") as told:
        read_tags(mp3)
    assert told.value.cause == "system"
