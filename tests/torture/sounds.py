"""Sound files in many formats: what is then damaged. The same bytes in every run."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from made_audio import Format, notes, write

from torture.ogg import pages, sealed

SECONDS = 3.2


@dataclass(frozen=True)
class Sound:
    """A sound file: its format's name, suffix and bytes, and what its format can tell.

    Attributes
    ----------
    states : bool
        Whether its header states how much there is, so that a cut can be told.
    bare : bool
        Whether its frames follow each other with nothing around them: taggers put blocks before
        and behind.
    """

    name: str
    suffix: str
    data: bytes
    states: bool
    bare: bool
    lossy: bool


_R = 22050
_FORMATS: dict[str, tuple[Format, int, str]] = {
    # Name: the format, its rate; s for "states its length", b for "bare frames".
    "wav": (Format(suffix=".wav", container="wav", codec="pcm_s16le"), _R, "s"),
    "wav-u8": (Format(suffix=".wav", container="wav", codec="pcm_u8"), _R, "s"),
    "wav-24": (Format(suffix=".wav", container="wav", codec="pcm_s24le"), _R, "s"),
    "wav-float": (Format(suffix=".wav", container="wav", codec="pcm_f32le"), _R, "s"),
    "wav-mulaw": (Format(suffix=".wav", container="wav", codec="pcm_mulaw"), 16000, "s"),
    "wav-adpcm": (Format(suffix=".wav", container="wav", codec="adpcm_ms"), _R, "s"),
    "wav-ima": (Format(suffix=".wav", container="wav", codec="adpcm_ima_wav"), _R, "s"),
    "aiff": (Format(suffix=".aiff", container="aiff", codec="pcm_s16be"), _R, "s"),
    "au": (Format(suffix=".au", container="au", codec="pcm_s16be"), 16000, "s"),
    "caf": (Format(suffix=".caf", container="caf", codec="pcm_s16le"), _R, "s"),
    "caf-alac": (Format(suffix=".caf", container="caf", codec="alac"), 44100, "s"),
    "w64": (Format(suffix=".w64", container="w64", codec="pcm_s16le"), _R, "s"),
    "flac": (Format(suffix=".flac", container="flac", codec="flac"), 44100, "sb"),
    "ogg-flac": (Format(suffix=".oga", container="ogg", codec="flac"), _R, "s"),
    "opus": (Format(suffix=".opus", container="ogg", codec="libopus", lossy=True), 48000, "s"),
    "mp3": (Format(suffix=".mp3", container="mp3", codec="libmp3lame", lossy=True), 44100, "sb"),
    "mp2": (Format(suffix=".mp2", container="mp2", codec="mp2", lossy=True), 44100, "b"),
    "aac": (Format(suffix=".aac", container="adts", codec="aac", lossy=True), 44100, "b"),
    "m4a": (Format(suffix=".m4a", container="ipod", codec="aac", lossy=True), 44100, "s"),
    "alac": (Format(suffix=".m4a", container="ipod", codec="alac"), 44100, "s"),
    "wma": (Format(suffix=".wma", container="asf", codec="wmav2", lossy=True), 44100, "s"),
    "ac3": (Format(suffix=".ac3", container="ac3", codec="ac3", lossy=True), 44100, "b"),
    "eac3": (Format(suffix=".eac3", container="eac3", codec="eac3", lossy=True), 44100, "b"),
    "mka": (Format(suffix=".mka", container="matroska", codec="flac"), 44100, "s"),
    "webm": (Format(suffix=".webm", container="webm", codec="libopus", lossy=True), 48000, "s"),
    "wv": (Format(suffix=".wv", container="wv", codec="wavpack"), _R, "sb"),
    "tta": (Format(suffix=".tta", container="tta", codec="tta"), _R, "sb"),
    "amr": (
        Format(suffix=".amr", container="amr", codec="libopencore_amrnb", lossy=True),
        8000,
        "",
    ),
}


def make_sounds(folder: Path) -> dict[str, Sound]:
    """Write one sound file of each format; no two are of the same music."""
    folder.mkdir(parents=True, exist_ok=True)
    sounds = {}
    for number, (name, (form, sr, told)) in enumerate(_FORMATS.items()):
        path = folder / f"{name}{form.suffix}"
        repeatable = Format(
            suffix=form.suffix,
            container=form.container,
            codec=form.codec,
            lossy=form.lossy,
            repeatable=True,
        )
        rate = 12_200 if name == "amr" else 128_000
        write(path, notes(sr, SECONDS, seed=number), sr, repeatable, bit_rate=rate)
        sounds[name] = _read(path, name, told, lossy=form.lossy)
    path = folder / "ogg.ogg"
    write(path, notes(44100, SECONDS, seed=50), 44100, "ogg")
    # libsndfile draws the stream's number.
    path.write_bytes(b"".join(sealed(page, serial=50) for page in pages(path.read_bytes())))
    sounds["ogg"] = _read(path, "ogg", "s", lossy=True)
    path = folder / "rf64.wav"
    soundfile.write(path, notes(_R, SECONDS, seed=51)[0], _R, "PCM_16", format="RF64")
    sounds["rf64"] = _read(path, "rf64", "s", lossy=False)
    path = folder / "dsf.dsf"
    path.write_bytes(_dsf(seed=52))
    sounds["dsf"] = _read(path, "dsf", "s", lossy=False)
    return sounds


def _read(path: Path, name: str, told: str, *, lossy: bool) -> Sound:
    return Sound(name, path.suffix, path.read_bytes(), "s" in told, "b" in told, lossy)


def _dsf(seed: int, seconds: float = 1.6) -> bytes:
    """Return a DSF file: one bit a sample, drawn with the signal as its probability."""
    rate = 64 * 44100
    y = notes(44100, seconds, seed=seed)[0]
    chance = np.repeat((1 + y) / 2, 64)
    bits = np.random.default_rng(seed).random(len(chance), dtype=np.float32) < chance
    block = 4096
    body = np.packbits(bits, bitorder="little").tobytes()
    body += b"\x69" * (-len(body) % block)
    form = struct.pack("<IIIIIIQII", 1, 0, 1, 1, rate, 1, len(bits), block, 0)
    form = b"fmt " + struct.pack("<Q", 12 + len(form)) + form
    data = b"data" + struct.pack("<Q", 12 + len(body)) + body
    whole = 28 + len(form) + len(data)
    return b"DSD " + struct.pack("<QQQ", 28, whole, 0) + form + data
