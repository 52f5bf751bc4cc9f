"""What the renders' manifest says is what plays: tempo, meter, key, programs."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

mido: ModuleType = pytest.importorskip("mido")

from renders.arrange import arrange, own_sounds, swung  # noqa: E402
from renders.excerpt import draw_bend  # noqa: E402
from renders.manifest import Manifest  # noqa: E402
from renders.midi import read_midi  # noqa: E402
from renders.patterns import patterns_for  # noqa: E402
from renders.score import Excerpt, Meter, Note  # noqa: E402
from renders.templates import TEMPLATES  # noqa: E402
from renders.truth import key_truth, likely_key, sounding_programs, tempo_truth  # noqa: E402
from renders.voicing import chords_of, in_range, split_voices  # noqa: E402
from renders.words import DRUMS, word_of  # noqa: E402

MAJOR = [0, 4, 7, 12, 7, 5, 2, 11]


def made_midi(
    *, bpm: float = 120.0, meter: str = "4/4", key: str = "D", tonic: int = 62, last: int = 0
) -> bytes:
    """A tune on the violin (a scale's notes, one a quarter) over a held bass on the piano."""
    midi, tune, bass = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack(), mido.MidiTrack()
    midi.tracks += [tune, bass]
    numerator, denominator = map(int, meter.split("/"))
    tune.append(mido.MetaMessage("set_tempo", tempo=round(60e6 / bpm)))
    tune.append(mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator))
    tune.append(mido.MetaMessage("key_signature", key=key))
    tune.append(mido.Message("program_change", program=40, channel=0))
    bass.append(mido.Message("program_change", program=0, channel=1))
    for turn in range(20):
        for step in MAJOR:
            tune.append(mido.Message("note_on", note=tonic + step, velocity=80))
            tune.append(mido.Message("note_off", note=tonic + step, velocity=0, time=480))
        low = tonic - 24 + (last if turn == 19 else 0)
        bass.append(mido.Message("note_on", note=low, velocity=70, channel=1))
        bass.append(mido.Message("note_off", note=low, velocity=0, channel=1, time=8 * 480))
    stream = io.BytesIO()
    midi.save(file=stream)
    return stream.getvalue()


def played(data: bytes, seconds: float = 20.0, factor: float = 1.0) -> Excerpt:
    return Excerpt(read_midi(data), 0.0, seconds, factor, lambda time: time)


def onsets(midi: object, channel: int) -> np.ndarray:
    times, at = [], 0
    for message in midi.tracks[0]:  # type: ignore[attr-defined]
        at += message.time
        if message.type == "note_on" and message.channel == channel and message.velocity:
            times.append(at / 960.0)
    return np.array(times)


def test_the_tempo_is_that_of_the_beat() -> None:
    simple = tempo_truth(played(made_midi(bpm=120.0), factor=1.25))
    assert simple["tempo_bpm"] == simple["tempo_middle"] == "150.00"
    assert (simple["tempo_constant"], simple["meter"], simple["beat_quarters"]) == (
        "yes",
        "4/4",
        "1",
    )
    compound = tempo_truth(played(made_midi(bpm=120.0, meter="6/8")))
    assert (compound["tempo_bpm"], compound["beat_quarters"]) == ("80.00", "1.5")
    halves = tempo_truth(played(made_midi(bpm=120.0, meter="2/2")))
    assert (halves["tempo_bpm"], halves["beat_quarters"]) == ("60.00", "2")


def test_a_free_performance_has_no_constant_tempo() -> None:
    steady = played(made_midi())
    free = replace(steady, bend=draw_bend(np.random.default_rng(0)))
    truth = tempo_truth(free)
    assert truth["tempo_constant"] == "no"
    assert float(truth["tempo_min"]) < 115.0 < 125.0 < float(truth["tempo_max"])


@pytest.mark.parametrize("seed", range(5))
def test_what_plays_has_the_tempo_and_key_of_the_manifest(seed: int) -> None:
    score = read_midi(made_midi(bpm=100.0))
    rng = np.random.default_rng(seed)
    made = arrange(score, 20.0, (0.0, 1.0), own_sounds, (60.0, 180.0), 0.0, rng)
    gaps = np.diff(onsets(made.midi, 0))
    assert np.median(gaps) == pytest.approx(60.0 / float(made.truth["tempo_bpm"]), abs=0.003)
    assert made.truth["key"] == made.truth["key_from_notes"]
    heard = {
        (message.note - int(made.truth["tonic"])) % 12
        for message in made.midi.tracks[0]
        if message.type == "note_on"
    }
    assert heard <= {0, 2, 4, 5, 7, 9, 11}


def test_the_last_chord_tells_minor_from_major() -> None:
    score = read_midi(made_midi())
    assert key_truth(score, 0.0, 40.0, 0)["key"] == "D major"
    assert key_truth(score, 0.0, 40.0, 3)["key"] == "F major"
    minor = read_midi(made_midi(last=-3))  # B under the signature of D major
    truth = key_truth(minor, 0.0, 40.0, 0)
    assert (truth["key"], truth["key_basis"]) == ("B minor", "signature and last chord")
    assert truth["key_from_notes"] == "D major"


def test_without_a_signature_there_is_no_key() -> None:
    score = read_midi(made_midi())
    score.keys.clear()
    assert key_truth(score, 0.0, 40.0, 0)["key"] == ""


def test_only_what_sounds_counts() -> None:
    made = arrange(
        read_midi(made_midi()),
        20.0,
        (0.0, 1.0),
        own_sounds,
        (100.0, 140.0),
        0.0,
        np.random.default_rng(0),
    )
    assert sounding_programs(made.midi, 20.0) == {
        0: pytest.approx(1.0, abs=0.01),
        40: pytest.approx(1.0, abs=0.01),
    }
    assert made.truth["drums"] == "no"
    names = [item.split(":")[0] for item in made.truth["instruments"].split("|")]
    assert sorted(names) == ["piano", "violin"]
    track = made.midi.tracks[0]
    track.insert(0, mido.Message("control_change", control=7, value=0, channel=0))
    assert list(sounding_programs(made.midi, 20.0)) == [0]


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_template_plays_at_the_truth_and_in_the_range_of_midi(name: str) -> None:
    kind = TEMPLATES[name]
    score = read_midi(made_midi(bpm=110.0))
    args = (15.0, (0.0, 1.0), kind.sounds, kind.tempos, kind.free)
    made = arrange(score, *args, np.random.default_rng(3))
    again = arrange(score, *args, np.random.default_rng(3))
    assert made.truth == again.truth and list(made.midi.tracks[0]) == list(again.midi.tracks[0])
    notes = [message for message in made.midi.tracks[0] if message.type == "note_on"]
    assert len(notes) > 3
    assert (made.truth["pattern"] != "") <= (made.truth["drums"] == "yes")
    low, high = kind.tempos
    assert 0.7 * low < float(made.truth["tempo_bpm"]) < 1.4 * high


def test_words_of_programs() -> None:
    assert [word_of(program) for program in (0, 19, 6, 48, 52, 61, 73, DRUMS)] == [
        "piano",
        "organ",
        "harpsichord",
        "strings",
        "choir",
        "brass",
        "flute",
        "drums",
    ]
    assert "drums" not in {word_of(program) for program in range(128)}


def test_patterns_have_the_beat_of_the_meter() -> None:
    assert "waltz" in patterns_for(Meter(0.0, 3, 4)) and "rock" in patterns_for(Meter(0.0, 4, 4))
    assert patterns_for(Meter(0.0, 6, 8)) == ["six-eight", "slow six"]
    assert patterns_for(Meter(0.0, 7, 8)) == []


def test_chords_and_voices() -> None:
    notes = [
        Note(0.0, 4.0, pitch, 80, part) for pitch, part in ((45, 1), (60, 1), (64, 1), (76, 0))
    ]
    (chord,) = chords_of(notes, [(0.0, 4.0)])
    assert (chord.root, bool(chord.minor)) == (9, True)
    lead, inner, bass = split_voices([*notes, Note(4.0, 5.0, 74, 80, 0)])
    assert [note.pitch for note in lead] == [76, 74]
    assert [note.pitch for note in bass] == [45] and len(inner) == 2
    assert all(40 <= note.pitch <= 60 for note in in_range(lead, 40, 60))


def test_swing_moves_off_beats_only() -> None:
    assert swung(3.0, 1.0, 0.0) == 3.0
    assert swung(2.5, 1.0, 0.0) == pytest.approx(2.0 + 2.0 / 3.0)


def test_a_flat_histogram_has_no_key() -> None:
    assert likely_key(np.ones(12)) is None


def test_a_manifest_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, audio = tmp_path / "manifest.csv", tmp_path / "a.flac"
    first = Manifest(path, ["file", "kind"])
    first.append({"file": "a.flac", "kind": "x"})
    second = Manifest(path, ["file", "kind"])
    assert not second.has(audio)
    audio.touch()
    assert second.has(audio)
    second.append({"file": "a.flac", "kind": "x"})
    assert path.read_text().count("a.flac") == 1
    with pytest.raises(ValueError, match="other columns"):
        Manifest(path, ["file", "other"])


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs fluidsynth")
@pytest.mark.slow
def test_the_audio_has_an_onset_on_every_beat() -> None:
    fonts = sorted(Path("/usr/share/sounds/sf2").glob("TimGM6mb.sf2"))
    if not fonts:
        pytest.skip("needs a soundfont")
    from renders.sound import synthesize

    score = read_midi(made_midi(bpm=100.0))
    rng = np.random.default_rng(1)
    ensemble = TEMPLATES["music box"].sounds
    made = arrange(score, 12.0, (0.0, 1.0), ensemble, (90.0, 110.0), 0.0, rng)
    samples = synthesize(made.midi, str(fonts[0]), 12 * 16000, 16000, rng)
    power = np.add.reduceat(samples**2, np.arange(0, len(samples), 160))
    rise = np.clip(np.diff(np.log(power + 1e-9)), 0.0, None)
    rise -= rise.mean()
    lags = np.correlate(rise, rise, "full")[len(rise) - 1 :]
    period = 40 + int(np.argmax(lags[40:90]))
    assert 60.0 / (period * 0.01) == pytest.approx(float(made.truth["tempo_bpm"]), rel=0.03)
