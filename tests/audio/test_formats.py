"""The one table of formats: what files are called, how they are served, which codecs lose."""

from pathlib import Path

import pytest
from made_audio import FORMATS, Format, notes, write

from musicu.audio.formats import AUDIO_SUFFIXES, file_format, is_lossy, media_type

WAVPACK = Format(suffix=".wv", container="wv", codec="wavpack")


@pytest.mark.parametrize(
    ("form", "codec", "suffix", "kind"),
    [
        ("wav", "pcm_s16le", ".wav", "audio/wav"),
        ("aiff", "pcm_s16be", ".aiff", "audio/aiff"),
        ("flac", "flac", ".flac", "audio/flac"),
        ("mp3", "mp3", ".mp3", "audio/mpeg"),
        ("m4a", "aac", ".m4a", "audio/mp4"),
        ("aac", "aac", ".aac", "audio/aac"),
        ("ogg", "vorbis", ".ogg", "audio/ogg"),
        ("opus", "opus", ".opus", "audio/ogg"),
        ("wma", "wmav2", ".wma", "audio/x-ms-wma"),
        ("wv", "wavpack", ".wv", "audio/x-wavpack"),
    ],
)
def test_a_files_kind_is_seen_in_its_bytes(
    tmp_path: Path, form: str, codec: str, suffix: str, kind: str
) -> None:
    path, sr = tmp_path / "page.html", 48000 if form == "opus" else 44100
    write(path, notes(sr, 1.0), sr, WAVPACK if form == "wv" else FORMATS[form])
    assert file_format(str(path), codec) == (suffix, kind)


def test_what_a_browser_would_show_or_run_has_no_type_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    path.write_text("<script>alert(1)</script>")
    assert file_format(str(path), "odd") == (".audio", "application/octet-stream")


def test_every_suffix_has_a_type_of_sound() -> None:
    assert {media_type(f"a{suffix}").partition("/")[0] for suffix in AUDIO_SUFFIXES} == {"audio"}
    assert media_type("a.MP3") == media_type("b.mp2") == "audio/mpeg"
    # The system's own table takes these for videos, a chemical and a phone's page.
    types = [media_type(f"a{suffix}") for suffix in (".mp4", ".webm", ".mpc", ".wv")]
    assert types == ["audio/mp4", "audio/webm", "audio/x-musepack", "audio/x-wavpack"]
    assert media_type("a.html") == media_type("a") == "application/octet-stream"


def test_lossy_codecs_are_known_by_any_decoder() -> None:
    for codec in ("mp3", "mp3float", "aac", "libopus", "opus", "vorbis", "eac3", "wmav1", "mpc8"):
        assert is_lossy(codec), codec
    for codec in ("flac", "alac", "pcm_s16le", "wavpack", "wmalossless", "wav/pcm_16", "tta"):
        assert not is_lossy(codec), codec
