"""Training: what is heard, asked, learned and exported, and the promises of its parts."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import sosfreqz
from toys import CLIPS, PER_ARTIST, make_clips, make_teacher

torch = pytest.importorskip("torch", reason="needs musicu[train]")
onnx = pytest.importorskip("onnx", reason="needs musicu[train]")

from musicu import Encoder, MetadataError, Model, ModelError, MusicuError  # noqa: E402
from musicu.audio.decode import identify  # noqa: E402
from musicu.audio.mel import (  # noqa: E402
    LOG_MEL_PRESETS,
    LogMel,
    compress,
    log_mel,
    mel_spectrogram,
)
from musicu.audio.windower import Windower  # noqa: E402
from musicu.encoders.encoder import Network  # noqa: E402
from musicu.encoders.heard import short_identity  # noqa: E402
from musicu.training import (  # noqa: E402
    Progress,
    Recipe,
    Refinement,
    Trained,
    augment,
    clips,
    data,
    distill,
    folding,
    labels,
    losses,
    objectives,
    torch_mel,
    train_encoder,
    views,
)
from musicu.training.curves import curves  # noqa: E402
from musicu.training.export import export  # noqa: E402
from musicu.training.network import Student  # noqa: E402
from musicu.training.start import load_checkpoint, load_student  # noqa: E402
from musicu.training.teachers import Teacher  # noqa: E402
from musicu.training.timbre import Cepstra  # noqa: E402

pytestmark = pytest.mark.train
torch.set_num_threads(1)  # several that wait for each other on busy cores are ten times slower

# torch and NumPy sum in other orders; values are in 0..4.
COMPRESS_TOLERANCE = 1e-4
# ONNX Runtime fuses batch normalization into convolutions; unit vectors.
ONNX_TOLERANCE = 1e-5
# The map takes the mean away, and what is left of near vectors is mostly rounding.
REFINED_TOLERANCE = 1e-3
# Filtered in double, returned in single precision.
FILTER_TOLERANCE = 1e-6
COSINE = "cosine to the teachers' answers"
FAST = Recipe(dim=16, windows=160, batch=8, every=5, views=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_teacher(tmp_path_factory.mktemp("teacher") / "toy")


@pytest.fixture(scope="module")
def trained(
    folder: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trained, list[Progress]]:
    """A short run, and what it told."""
    told: list[Progress] = []
    out = tmp_path_factory.mktemp("out") / "model"
    return train_encoder([folder], out, teachers=[teacher], recipe=FAST, progress=told.append), told


def state_of(work: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_checkpoint(work / "checkpoint.pt")["student"]
    return state


# The front end and what is done to waveforms


@pytest.mark.parametrize("preset", LOG_MEL_PRESETS)
def test_compression_in_torch_is_that_in_use(preset: str) -> None:
    front_end = LOG_MEL_PRESETS[preset]
    power = np.random.default_rng(0).chisquare(2, (3, 50, front_end.n_mels)).astype(np.float32)
    power[1] *= 1e-4
    got = torch_mel.compress(torch.from_numpy(power), front_end).numpy()
    tolerance = COMPRESS_TOLERANCE / front_end.std
    np.testing.assert_allclose(got, compress(power, front_end), rtol=0, atol=tolerance)


@pytest.mark.parametrize("knobs", [(4.0, -3.0, 0.0), (-4.0, 2.0, 3.0), (0.0, 0.0, -4.0)])
def test_an_equalizer_does_what_its_knobs_say(knobs: tuple[float, float, float]) -> None:
    bass, treble, band = knobs

    def db(hz: float, **other: float) -> float:
        knobs = {"bass": bass, "treble": treble, "band": band, **other}
        sections = augment.equalizer(32000, hz=500.0, **knobs)
        return float(20 * np.log10(np.abs(sosfreqz(sections, [hz], fs=32000)[1][0])))

    assert db(1e-3) == pytest.approx(bass, abs=0.01)
    assert db(15999) == pytest.approx(treble, abs=0.01)
    assert db(500, bass=0, treble=0) == pytest.approx(band, abs=1e-6)
    assert db(100, treble=0, band=0) == pytest.approx(bass / 2, abs=1e-6)
    assert db(3000, bass=0, band=0) == pytest.approx(treble / 2, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_altering_is_drawn_from_its_seed_and_never_clips(seed: int) -> None:
    y = torch.randn(32000, generator=torch.Generator().manual_seed(99))

    def altered(gain: float, seed: int) -> torch.Tensor:
        return augment.alter(gain * y, 32000, torch.Generator().manual_seed(seed))

    once = altered(1.0, seed)
    assert once.shape == y.shape
    assert torch.isfinite(once).all()
    assert torch.equal(once, altered(1.0, seed))
    assert not torch.equal(once, altered(1.0, seed + 100))
    # All of it is linear in the level, even far beyond full scale; clipping would not be.
    torch.testing.assert_close(
        altered(40.0, seed) / 40, once, rtol=0, atol=FILTER_TOLERANCE * float(once.abs().max())
    )


def test_silence_stays_silence() -> None:
    silence = torch.zeros(1000)
    assert torch.equal(augment.alter(silence, 32000, torch.Generator()), silence)


def test_a_mixture_holds_the_other_clip_at_most_9_db_below_the_first() -> None:
    t = torch.arange(16000) / 16000
    y, other = torch.sin(2 * torch.pi * 400 * t), 0.01 * torch.sin(2 * torch.pi * 1000 * t[:8000])
    ratios = []
    for seed in range(20):
        spectrum = torch.fft.rfft(augment.mix(y, other, torch.Generator().manual_seed(seed))).abs()
        ratios.append(20 * np.log10(float(spectrum[1000] / spectrum[400])))
    assert -9.1 < min(ratios) < -6
    assert -3 < max(ratios) < 0.1


def test_transposing_moves_pitch_and_length_together_within_3_semitones() -> None:
    sr = 8000
    y = torch.sin(2 * torch.pi * 500 * torch.arange(4 * sr) / sr)
    semitones = []
    for seed in range(40):
        played = augment.transpose(y, sr, torch.Generator().manual_seed(seed))
        pitch = float(torch.fft.rfft(played).abs().argmax()) * sr / len(played)
        assert abs(pitch / 500 - len(y) / len(played)) < 0.002
        semitones.append(12 * np.log2(pitch / 500))
    assert -3.1 < min(semitones) < -2 and 2 < max(semitones) < 3.1


def test_distortion_of_mel_power_is_drawn_from_its_seed() -> None:
    power = torch.rand(4, 187, 96)
    once = augment.augment(power, torch.Generator().manual_seed(1))
    again = augment.augment(power, torch.Generator().manual_seed(1))
    other = augment.augment(power, torch.Generator().manual_seed(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


# Windows and teachers


@given(frames=st.integers(1, 700), window=st.integers(1, 200), hop=st.integers(1, 250))
def test_windows_start_where_they_do_in_use(frames: int, window: int, hop: int) -> None:
    front_end = LogMel(n_mels=4, window=window, window_hop=hop)
    windower = Windower(front_end)
    power = np.zeros((frames, 4), dtype=np.float32)
    times = [time for time, _ in [*windower.push(power), *windower.finish()]]
    starts = np.rint(np.array(times) * front_end.sr / front_end.hop_length)
    assert data.window_starts(frames, front_end, hop).tolist() == starts.tolist()


@pytest.mark.parametrize("seconds", [1.0, 9.0])
def test_a_teacher_of_our_timing_answers_for_the_windows_an_encoder_is_fed(
    teacher: Path, seconds: float
) -> None:
    y = np.random.default_rng(0).standard_normal(int(16000 * seconds)).astype(np.float32)
    asked = Teacher(teacher)
    windows, times = log_mel(y, asked.model.front_end)
    starts = np.rint(times * 16000 / 256).astype(np.int64)
    answers = asked.answer(y, 16000, starts, LOG_MEL_PRESETS["musicu"])
    np.testing.assert_allclose(answers, windows.mean(axis=1), atol=COMPRESS_TOLERANCE)


def test_a_teacher_of_another_rate_and_window_hears_around_the_same_middle(
    tmp_path: Path,
) -> None:
    settings = {"preset": "artist_siamese", "n_mels": 128, "window": 43}  # 1 s at 22.05 kHz
    asked = Teacher(make_teacher(tmp_path / "other", front_end=settings))
    student = LOG_MEL_PRESETS["musicu"]
    y = np.zeros(20 * 16000, dtype=np.float32)
    starts = np.arange(0, 1000, 62)
    middle = (starts + 93) * 256 / 16000
    y[int(16000 * middle[5]) :][:1600] = np.random.default_rng(0).standard_normal(1600)
    level = asked.answer(y, 16000, starts, student).mean(axis=1)
    assert level.argmax() == 5
    # Its second is heard in windows whose middles are within half a second of the burst.
    assert np.flatnonzero(level > level.min() + 1e-3).tolist() == [5]


def test_a_teacher_of_long_windows_hears_fewer_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"preset": "musicnn", "window": 600}  # 9.6 s
    asked = Teacher(make_teacher(tmp_path / "long", front_end=settings))
    y = np.random.default_rng(0).standard_normal(30 * 16000).astype(np.float32)
    starts = np.arange(0, 1600, 93)
    heard: list[int] = []
    run = Network.run

    def counted(self: Network, windows: NDArray[np.float32], outputs: list[str]) -> object:
        heard.append(len(windows))
        return run(self, windows, outputs)

    monkeypatch.setattr(Network, "run", counted)
    answers = asked.answer(y, 16000, starts, LOG_MEL_PRESETS["musicu"])
    frames = compress(mel_spectrogram(y, asked.model.front_end).T, asked.model.front_end)
    last = len(frames) - 600
    at = np.clip((starts + 93 - 300 + 75) // 150 * 150, 0, last)  # steps of a quarter
    wanted = np.stack([frames[i : i + 600].mean(axis=0) for i in at])
    np.testing.assert_allclose(answers, wanted, atol=COMPRESS_TOLERANCE)
    assert sum(heard) == len(set(at)) < len(starts) - 5


def test_outputs_are_named_behind_a_colon_or_in_the_config(teacher: Path, tmp_path: Path) -> None:
    assert Teacher(teacher).dims == (96,)
    both = Teacher(f"{teacher}:mean+max")
    assert (both.outputs, both.dims) == (("mean", "max"), (96, 96))
    assert Teacher(make_teacher(tmp_path / "both", output="mean+max")).dims == (96, 96)
    with pytest.raises(ModelError, match="has the outputs mean, max, not loud"):
        Teacher(f"{teacher}:loud")


def test_a_teacher_that_does_not_run_on_its_windows_is_refused(tmp_path: Path) -> None:
    lying = make_teacher(tmp_path / "lying", dim=5)
    with pytest.raises(ModelError, match=r"returns \[2, 96\] for 2 windows"):
        Teacher(lying)
    with pytest.raises(ModelError, match="no model"):
        Teacher(tmp_path / "nobody")


def views_of(folder: Path, memo: Path) -> list[views.View]:
    found, _ = clips.find_clips([clips.Source(folder)], memo)
    return [views.View.clean(i, clip) for i, clip in enumerate(found)]


def test_another_teacher_does_not_ask_the_first_again(
    folder: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answer = Teacher.answer

    def counted(self: Teacher, *args: object) -> object:
        asked.append(self.name)
        return answer(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Teacher, "answer", counted)
    first, second = Teacher(teacher), Teacher(f"{teacher}:max")
    three = views_of(folder, tmp_path / "memo.json")[:3]
    front_end = LOG_MEL_PRESETS["musicu"]
    alone = data.Cache(tmp_path, front_end, [first])
    assert [reason for _, reason in alone.fill(three)] == ["", "", ""]
    both = data.Cache(tmp_path, front_end, [first, second])
    list(both.fill(three))
    list(both.fill(three))
    assert Counter(asked) == {first.name: 3, second.name: 3}
    np.testing.assert_array_equal(both.answers(three[0])[:, :96], alone.answers(three[0]))


def test_an_altered_version_does_not_depend_on_who_listens(
    folder: Path, teacher: Path, tmp_path: Path
) -> None:
    found, _ = clips.find_clips([clips.Source(folder)], tmp_path / "memo.json")
    view = views.View.altered(0, found[0], 1, found[9], seed=0)
    caches = [
        data.Cache(tmp_path / "few", LOG_MEL_PRESETS["musicu"], []),
        data.Cache(tmp_path / "more", LOG_MEL_PRESETS["musicu"], [Teacher(teacher)]),
    ]
    for cache in caches:
        assert [reason for _, reason in cache.fill([view])] == [""]
    few, more = (cache.mel(view) for cache in caches)
    np.testing.assert_array_equal(few, more)
    clean = views.View.clean(0, found[0])
    list(caches[0].fill([clean]))
    assert not np.array_equal(few, caches[0].mel(clean))


# Which clips


def test_too_little_audio_is_said_with_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"no music")
    with pytest.raises(ModelError, match=r"0 audio files .* at least 20 .*bad\.mp3: not readable"):
        clips.find_clips([clips.Source(tmp_path)], tmp_path / "memo.json")


def test_copies_count_once_and_identities_are_read_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make_clips(tmp_path / "library")
    (library / "copy.wav").write_bytes((library / "clip00.wav").read_bytes())
    sources = [clips.Source(library), clips.Source(library)]
    found, skipped = clips.find_clips(sources, tmp_path / "memo.json")
    assert len(found) == CLIPS
    assert list(skipped) == [str(library / "copy.wav")]
    assert "the same audio as" in skipped[str(library / "copy.wav")]
    monkeypatch.setattr(clips, "identify", lambda path: pytest.fail("read again"))
    assert clips.find_clips(sources, tmp_path / "memo.json") == (found, skipped)


def test_sources_are_folders_with_or_without_a_share(tmp_path: Path) -> None:
    assert clips.Source.parse(tmp_path) == clips.Source(tmp_path)
    assert clips.Source.parse(f"{tmp_path}=.55") == clips.Source(tmp_path, 0.55)
    odd = tmp_path / "a=1"
    odd.mkdir()
    assert clips.Source.parse(odd) == clips.Source(odd)
    for text in (f"{tmp_path}=0", f"{tmp_path}=1.5", f"{tmp_path}/none", f"{tmp_path}=x"):
        with pytest.raises(ModelError):
            clips.Source.parse(text)


def some_clips(*paths: str) -> list[clips.Clip]:
    return [clips.Clip(Path(path), 0, f"id{n}") for n, path in enumerate(paths)]


@given(sizes=st.lists(st.integers(1, 4), min_size=6, max_size=40), seed=st.integers(0, 9))
def test_artists_are_held_out_as_a_whole(sizes: list[int], seed: int) -> None:
    artist = [f"a{n}" for n, size in enumerate(sizes) for _ in range(size)]
    everything = some_clips(*(f"/m/{n}.wav" for n in range(len(artist))))
    held = clips.hold_out_clips(everything, artist, 0.5, seed=seed)
    assert {a for a, h in zip(artist, held, strict=True) if h}.isdisjoint(
        a for a, h in zip(artist, held, strict=True) if not h
    )
    assert abs(held.sum() - 0.5 * len(artist)) <= 4
    again = clips.hold_out_clips(everything, artist, 0.5, seed=seed)
    assert held.tolist() == again.tolist()


def test_albums_are_held_out_as_a_whole_but_no_half_library() -> None:
    albums = some_clips(*(f"/m/album{n // 4}/{n}.wav" for n in range(80)))
    held = clips.hold_out_clips(albums, None, 0.1, seed=0)
    assert held.sum() == 8
    assert (held.reshape(20, 4).all(axis=1) == held.reshape(20, 4).any(axis=1)).all()
    halves = some_clips(*(f"/m/half{n // 40}/{n}.wav" for n in range(80)))
    assert clips.hold_out_clips(halves, None, 0.1, seed=0).sum() == 8


def test_a_clip_that_is_added_moves_no_other_one() -> None:
    few = some_clips(*(f"/m/{n}.wav" for n in range(100)))
    held = clips.hold_out_clips(few, None, 0.1, seed=0)
    more = clips.hold_out_clips([*few, clips.Clip(Path("/m/new.wav"), 0, "new")], None, 0.1, seed=0)
    assert (held != more[:100]).sum() <= 1


def test_names_in_a_file_are_held_out_and_must_be_there(tmp_path: Path) -> None:
    everything = some_clips("/m/a song.wav", "/m/b.flac", "/m/c.mp3", "/m/d.mp3")
    file = tmp_path / "held.txt"
    file.write_text("a song\n/m/c.mp3\n\n")
    held = clips.hold_out_clips(everything, None, str(file), seed=0)
    assert held.tolist() == [True, False, True, False]
    file.write_text("a song\nz\n")
    with pytest.raises(ModelError, match="1 lines name no clip: z"):
        clips.hold_out_clips(everything, None, str(file), seed=0)
    file.write_text("a song\n")
    with pytest.raises(ModelError, match="1 of 4 clips are in the held-out part"):
        clips.hold_out_clips(everything, None, str(file), seed=0)
    for rule in ("nowhere.txt", "1.5"):
        with pytest.raises(ModelError, match=f"hold-out {rule}"):
            clips.hold_out_clips(everything, None, rule, seed=0)


def test_labels_are_joined_by_path_and_a_missing_column_is_named(
    folder: Path, tmp_path: Path
) -> None:
    found, _ = clips.find_clips([clips.Source(folder)], tmp_path / "memo.json")
    more = tmp_path / "more.csv"
    more.write_text("artist,country\nartist 0,IS\n")
    tables = [folder / "labels.csv", more]
    read = labels.read_labels(tables, single=["style", "country"], multi=["moods"])
    known = labels.label_clips(found, read)
    assert known.artist[:4].tolist() == ["artist 0"] * 3 + ["artist 1"]
    assert known.single["country"][:4].tolist() == ["IS"] * 3 + [""]
    assert known.multi["moods"][0] == {"calm", "sad"}
    assert known.known.all()
    assert known.take([3, 0]).artist.tolist() == ["artist 1", "artist 0"]
    with pytest.raises(MetadataError, match="no column 'mood' in the labels; there are file"):
        labels.read_labels(tables, multi=["mood"])
    with pytest.raises(MetadataError, match="no row fits"):
        labels.label_clips(some_clips("/m/x.wav"), read)


def test_no_held_out_clip_is_mixed_into_another(folder: Path, tmp_path: Path) -> None:
    found, _ = clips.find_clips([clips.Source(folder)], tmp_path / "memo.json")
    held = clips.hold_out_clips(found, None, 0.4, seed=0)
    made = views.altered_views(found, held, 3, mixed=True, seed=0)
    assert len(made) == 3 * (~held).sum()
    away = {found[n].path for n in np.flatnonzero(held)}
    assert away.isdisjoint(
        {view.path for view in made} | {view.partner for view in made if view.partner}
    )
    assert all(view.path != view.partner for view in made)
    assert len({view.key for view in made}) == len(made)
    assert {view.number for view in made if view.partner is None} == {2}


def test_one_clip_more_leaves_most_pairs_as_they_were() -> None:
    found = [clips.Clip(Path(f"/m/{n}.wav"), 0, f"id{n}") for n in range(200)]

    def pairs(some: list[clips.Clip]) -> dict[Path, Path | None]:
        none = np.zeros(len(some), dtype=np.bool_)
        made = views.altered_views(some, none, 1, mixed=True, seed=0)
        return {view.path: view.partner for view in made}

    fewer, all_ = pairs(found[:-1]), pairs(found)
    changed = [path for path in fewer if fewer[path] != all_[path]]
    assert all(all_[path] == found[-1].path for path in changed)
    assert len(changed) < 10  # one is expected
    assert len(set(all_.values())) > 100  # and not everybody is paired with the same few


def test_shares_are_the_chances_of_their_folders() -> None:
    sources = [clips.Source(Path("a"), 0.6), clips.Source(Path("b")), clips.Source(Path("c"))]
    source, held = np.array([0, 0, 0, 1, 2, 2, 2]), np.array([1, 0, 0, 0, 0, 0, 0], dtype=bool)
    weight = views.view_weights(sources, source, held)
    np.testing.assert_allclose(weight, [0, 0.3, 0.3, 0.1, 0.1, 0.1, 0.1])


# What is learned


def test_targets_are_unit_vectors_with_outputs_of_equal_weight() -> None:
    rng = np.random.default_rng(0)
    answers = np.concatenate(
        [rng.standard_normal((500, 4)), 50 * rng.standard_normal((500, 40))], axis=1
    )
    plain = objectives.Targets.fit(answers, 44, whiten=0.0, blocks=[4, 40])
    z = plain(answers)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1.0, atol=1e-5)
    part = ((answers - plain.mean) / plain.scale) ** 2
    assert part[:, :4].sum() == pytest.approx(part[:, 4:].sum(), rel=0.01)
    white = objectives.Targets.fit(answers, 44, whiten=1.0, blocks=[4, 40])
    raw = ((answers - white.mean) / white.scale) @ white.components
    np.testing.assert_allclose(raw.std(axis=0), 1.0, rtol=0.05)


def test_what_hardly_varied_does_not_count_for_most_elsewhere() -> None:
    rng = np.random.default_rng(0)
    # The second number of the output is nearly still in the music learned from ...
    answers = rng.standard_normal((500, 2)) * [1.0, 0.01]
    targets = objectives.Targets.fit(answers, 2, whiten=0.0, blocks=[2])
    # ... and elsewhere moves as much as the first: then it counts as much, not a hundred times.
    first, second = targets(answers.mean(axis=0) + np.diag([1.0, 1.0]))
    assert abs(float(first @ second)) < 1e-5
    both = targets(answers.mean(axis=0, keepdims=True) + [[1.0, 1.0]])[0]
    assert float(both @ first) == pytest.approx(float(both @ second), abs=1e-3)


def test_mixed_windows_are_3_to_21_db_above_what_is_mixed_in() -> None:
    power = torch.rand((64, 20, 8), generator=torch.Generator().manual_seed(0)) + 0.1
    power *= torch.logspace(-6, 2, 64)[:, None, None]
    mixed, partner, weight = augment.mix_windows(power, 1.0, torch.Generator().manual_seed(1))
    added = (mixed - power).mean(dim=(1, 2))
    db = 10 * (power.mean(dim=(1, 2)) / added).log10()
    assert 2.9 < float(db.min()) < 5 and 18 < float(db.max()) < 21.1
    torch.testing.assert_close(weight, 0.38 * 10 ** (-db / 16), rtol=1e-2, atol=1e-4)
    gain = (added / power[partner].mean(dim=(1, 2)))[:, None, None]
    torch.testing.assert_close(mixed, power + gain * power[partner])
    same, _, none = augment.mix_windows(power, 0.0, torch.Generator().manual_seed(1))
    assert bool((same == power).all()) and not none.any()


def test_a_teacher_that_says_too_little_is_named() -> None:
    with pytest.raises(ModelError, match="say 4 numbers"):
        objectives.Targets.fit(np.zeros((9, 4)), 5, whiten=0.0, blocks=[4])


def test_the_contrast_is_that_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((7, 5))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    group = np.array([0, 0, 1, 1, 1, 2, 3])
    each = []
    for i in range(7):
        others = [k for k in range(7) if k != i]
        whole = np.log(sum(np.exp(z[i] @ z[k] / 0.1) for k in others))
        positive = [z[i] @ z[p] / 0.1 - whole for p in others if group[p] == group[i]]
        each += [-np.mean(positive)] if positive else []
    ours = losses.contrast(torch.from_numpy(z), torch.from_numpy(group), 0.1)
    assert float(ours) == pytest.approx(np.mean(each), rel=1e-9)


def test_likeness_is_agreement_and_jaccard_over_what_is_known() -> None:
    single = torch.tensor([[0, 0, 1, -1]])
    hot = torch.tensor([[1.0, 1, 0], [1, 0, 1], [0, 0, 0], [1, 1, 0]])
    alike = losses.likeness(single, [hot]).numpy()
    assert alike[0, 1] == pytest.approx((1 + 1 / 3) / 2)
    assert alike[0, 2] == 0
    assert alike[0, 3] == pytest.approx(1)
    assert alike[2, 3] == 0


def test_soft_neighbors_are_best_when_like_labels_lie_together() -> None:
    alike = torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    allowed = ~torch.eye(4, dtype=torch.bool)
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    together = torch.stack([east, east, north, north])
    mixed = torch.stack([east, north, east, north])
    good = losses.soft_neighbors(together, alike, allowed, 0.1)
    assert float(good) == pytest.approx(0.0, abs=1e-3)
    assert losses.soft_neighbors(mixed, alike, allowed, 0.1) > good + 5
    nobody = losses.soft_neighbors(mixed, torch.zeros(4, 4), allowed, 0.1)
    assert float(nobody) == 0.0


def test_a_student_learns_what_its_teacher_says(
    folder: Path, teacher: Path, tmp_path: Path
) -> None:
    recipe = Recipe(dim=16, windows=960, batch=12, contrast=0.0, every=10)
    told: list[Progress] = []
    train_encoder([folder], tmp_path / "m", teachers=[teacher], recipe=recipe, progress=told.append)
    evaluated = [t for t in told if t.loss is not None]
    assert (evaluated[-1].done, evaluated[-1].total) == (40, 40)
    assert evaluated[-1].loss < 0.7 * evaluated[0].loss  # type: ignore[operator]
    assert evaluated[-1].held_out > evaluated[0].held_out + 0.1  # type: ignore[operator]


def test_labels_alone_bring_an_artist_together(folder: Path, tmp_path: Path) -> None:
    recipe = Recipe(dim=16, windows=640, batch=16, every=10)
    done = train_encoder(
        [folder],
        tmp_path / "m",
        labels=[folder / "labels.csv"],
        single=["style"],
        multi=["moods"],
        hold_out=0.3,
        recipe=recipe,
    )
    assert list(done.figures) == ["same-artist MAP"]
    assert done.clips_held_out % PER_ARTIST == 0
    assert 0.5 < done.figures["same-artist MAP"] <= 1.0
    assert "Trained from labels" in (tmp_path / "m" / "README.md").read_text()


def test_a_stopped_run_ends_as_an_undisturbed_one(
    folder: Path, trained: tuple[Trained, list[Progress]], teacher: Path, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.stage == "train" and progress.done == 7:
            raise Stop

    out = tmp_path / "model"
    with pytest.raises(Stop):
        train_encoder([folder], out, teachers=[teacher], recipe=FAST, progress=stop)
    assert not out.exists()
    told: list[Progress] = []
    again = train_encoder([folder], out, teachers=[teacher], recipe=FAST, progress=told.append)
    assert [t.done for t in told if t.stage == "train"] == [5, 6, 7, 8, 9, 10]
    straight, stopped = state_of(trained[0].work), state_of(again.work)
    assert all(torch.equal(straight[name], stopped[name]) for name in straight)
    assert again.model.sha256 == trained[0].model.sha256
    log = (again.work / "log.csv").read_text()
    assert log == (trained[0].work / "log.csv").read_text()
    assert log.startswith("step,loss,held_out\n5,")


def test_two_runs_of_one_seed_are_the_same_bytes_and_of_another_are_not(
    folder: Path, trained: tuple[Trained, list[Progress]], teacher: Path, tmp_path: Path
) -> None:
    same = train_encoder([folder], tmp_path / "same", teachers=[teacher], recipe=FAST)
    weights = (tmp_path / "same" / "encoder.onnx").read_bytes()
    assert weights == trained[0].model.weights.read_bytes()
    other = replace(FAST, seed=1, mix=0.5, dropout=0.2)
    changed = train_encoder([folder], tmp_path / "other", teachers=[teacher], recipe=other)
    assert changed.model.sha256 != same.model.sha256


def test_a_student_that_starts_from_another_begins_where_that_one_was(
    folder: Path, trained: tuple[Trained, list[Progress]], teacher: Path, tmp_path: Path
) -> None:
    still = Recipe(dim=24, windows=16, batch=8, lr=1e-9, every=1, flat=True)
    fresh = train_encoder([folder], tmp_path / "fresh", teachers=[teacher], recipe=still)
    started = train_encoder(
        [folder],
        tmp_path / "started",
        teachers=[f"{teacher}:mean+max"],
        recipe=still,
        start_from=trained[0].work,
    )
    assert started.figures[COSINE] > fresh.figures[COSINE] + 0.3
    assert started.model.heard == trained[0].model.heard
    # A model folder has no statistics to normalize by any more: they are measured anew.
    again = train_encoder(
        [folder],
        tmp_path / "again",
        teachers=[f"{teacher}:mean+max"],
        recipe=still,
        start_from=trained[0].model.folder,
    )
    assert again.figures[COSINE] > fresh.figures[COSINE] + 0.3
    assert again.model.heard == trained[0].model.heard
    with pytest.raises(ModelError, match="another front end than the student"):
        train_encoder([folder], tmp_path / "y", teachers=[teacher], start_from=teacher)
    with pytest.raises(ModelError, match="no checkpoint to start from"):
        train_encoder([folder], tmp_path / "x", teachers=[teacher], start_from=tmp_path / "nowhere")


def test_what_a_start_heard_is_heard_by_what_starts_from_it(
    trained: tuple[Trained, list[Progress]], teacher: Path, tmp_path: Path
) -> None:
    still = Recipe(dim=16, windows=16, batch=8, every=1, views=0)
    other = make_clips(tmp_path / "other", seed=1)

    def started(name: str, start: Path) -> Trained:
        out = tmp_path / name
        return train_encoder([other], out, teachers=[teacher], recipe=still, start_from=start)

    assert trained[0].model.heard is not None
    both = started("both", trained[0].work).model.heard
    assert both is not None and len(both) == 2 and both[0] == trained[0].model.heard[0]
    assert not both[0].identities & both[1].identities
    bare = tmp_path / "old.pt"
    bare.write_bytes((trained[0].work / "checkpoint.pt").read_bytes())
    assert started("unknown", bare).model.heard is None


def test_a_run_without_gain_stops_when_patience_ends(
    folder: Path, teacher: Path, tmp_path: Path
) -> None:
    idle = Recipe(dim=16, windows=1600, batch=8, lr=1e-12, every=1, patience=2, views=0)
    idle = replace(idle, weight_decay=0.0)
    done = train_encoder([folder], tmp_path / "idle", teachers=[teacher], recipe=idle)
    assert 3 <= done.steps < 100
    history = load_checkpoint(done.work / "checkpoint.pt")["history"][:, 2]
    assert done.figures == {COSINE: float(history.max())}
    with pytest.raises(ModelError, match="patience needs a held-out part"):
        train_encoder([folder], tmp_path / "m", teachers=[teacher], recipe=idle, hold_out=0)


def test_a_flat_rate_stays_and_a_cosine_goes_to_zero() -> None:
    assert distill._rate(0, 1000, flat=False) == pytest.approx(1 / 50)
    assert distill._rate(999, 1000, flat=False) < 1e-5
    assert distill._rate(999, 1000, flat=True) == 1.0


# What comes out, and what is refused


def test_the_model_folder_says_where_it_comes_from_and_embeds(
    folder: Path,
    trained: tuple[Trained, list[Progress]],
) -> None:
    done, told = trained
    model = Model.load(done.model.folder)
    assert (model.id, model.dim, model.gate_db) == ("model", 16, 60.0)
    assert (done.clips, done.clips_held_out, done.steps) == (CLIPS, 2, 10)
    assert model.figures[f"held out, {COSINE}"] == pytest.approx(done.figures[COSINE], abs=1e-4)
    assert model.heard is not None
    (heard_of,) = model.heard
    assert heard_of.clips == len(heard_of.identities) == CLIPS - 2
    there = {short_identity(identify(clip)) for clip in folder.glob("*.wav")}
    assert heard_of.identities < there and heard_of.folder.endswith(folder.name)
    heard = [t for t in told if t.stage == "hear"]
    assert (heard[-1].done, heard[-1].total) == (CLIPS + 22, CLIPS + 22)
    card = model.card
    assert "toy@1:mean; licence of its weights: MIT" in card
    assert f"| {CLIPS} | 0.03 |" in card
    assert "On 2 of 24 clips" in card
    y = np.random.default_rng(0).standard_normal(64000).astype(np.float32)
    vector = Encoder(model).embed(y, 16000)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    ET.fromstring((model.folder / "curves.svg").read_text())


def test_labels_refine_what_teachers_taught(
    folder: Path, trained: tuple[Trained, list[Progress]], teacher: Path, tmp_path: Path
) -> None:
    known = {"labels": [folder / "labels.csv"], "single": ["style"], "multi": ["moods"]}

    def train(name: str, work: str, refinement: Refinement | None, timbre: float) -> Trained:
        return train_encoder(
            [folder],
            tmp_path / name,
            work=tmp_path / work,
            teachers=[teacher],
            recipe=FAST,
            hold_out=0.15,
            refinement=refinement,
            timbre=timbre,
            **known,  # type: ignore[arg-type]
        )

    y, sr = soundfile.read(folder / "clip00.wav", dtype="float32")
    for name, work, refinement, timbre, spaces in (
        ("plain", "work", None, 0.0, ()),
        ("timbre", "work", None, 0.6, ("distilled", "with timbre")),
        ("refined", "other", Refinement(), 0.0, ("distilled", "refined")),
        ("both", "other", Refinement(), 0.6, ("distilled", "refined", "with timbre")),
        (
            "all",
            "third",
            Refinement(axes=("moods",)),
            0.6,
            ("distilled", "refined", "with timbre", "stretched"),
        ),
    ):
        made = train(name, work, refinement, timbre)
        assert list(made.figures) == [COSINE, *(f"same-artist MAP, {n}" for n in spaces)]
        front_end = made.model.front_end
        heard = torch.from_numpy(log_mel(y, front_end)[0])
        student = load_student(tmp_path / work / "checkpoint.pt")
        with torch.no_grad():
            said = student(heard).mean(dim=0).numpy()
        if timbre:
            said = np.concatenate([said, Cepstra(front_end.n_mels)(heard).mean(dim=0).numpy()])
        if spaces:
            # One map of the mean is the mean of the windows' maps: what was fitted is used.
            layer = {t.name: t for t in onnx.load(str(made.model.weights)).graph.initializer}
            weight, bias = (
                onnx.numpy_helper.to_array(layer[f"refined.{part}"]) for part in ("weight", "bias")
            )
            said = said @ weight.T + bias
        assert made.model.dim == FAST.dim
        np.testing.assert_allclose(
            Encoder(made.model).embed(y, sr), said / np.linalg.norm(said), atol=REFINED_TOLERANCE
        )
    with pytest.raises(ModelError, match=r"other settings \(refinement\)"):
        train("fourth", "work", Refinement(), 0.0)
    with pytest.raises(ModelError, match="no column of several labels 'style'; there are moods"):
        train("nothing", "fifth", Refinement(axes=("style",)), 0.0)


def test_a_strided_layer_says_the_same_in_training() -> None:
    torch.manual_seed(0)
    layers = [layer for layer in Student(8).modules() if getattr(layer, "groups", 1) > 1]
    strided = [layer for layer in layers if layer.stride != (1, 1)]
    assert len(strided) == 2
    for layer in strided:
        x = torch.randn(2, layer.in_channels, 7, 10)
        torch.testing.assert_close(layer.train()(x), layer.eval()(x))


def test_the_exported_graph_says_what_the_student_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    student = Student(8)
    front_end = LOG_MEL_PRESETS["musicu"]
    for _ in range(3):  # statistics of batch normalization other than those of a new layer
        student(torch.rand(4, front_end.window, front_end.n_mels))
    export(student, tmp_path / "m", front_end, {"id": "m"})
    x = np.random.default_rng(0).random((5, front_end.window, front_end.n_mels), dtype=np.float32)
    with torch.no_grad():
        ours = student(torch.from_numpy(x)).numpy()
    theirs = Encoder(Model.load(tmp_path / "m")).run(x)
    np.testing.assert_allclose(theirs, ours, atol=ONNX_TOLERANCE)
    graph = onnx.load(str(tmp_path / "m" / "encoder.onnx"))
    assert graph.opset_import[0].version == 17


def test_clip_vectors_are_what_the_encoder_says_of_the_file(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    for number in range(20):
        y = np.random.default_rng(number).standard_normal(16000 * 3).astype(np.float32)
        soundfile.write(library / f"{number:02}.wav", 0.1 * y, 16000)
    front_end = LOG_MEL_PRESETS["musicu"]
    cache = data.Cache(tmp_path, front_end, [])
    clean = views_of(library, tmp_path / "memo.json")
    list(cache.fill(clean))
    held, weight = np.zeros(20, dtype=bool), np.ones(20)
    material = data.Material.gather(cache, clean, held=held, weight=weight)
    student = Student(8).eval()
    export(student, tmp_path / "m", front_end, {"id": "m"})
    vectors = folding.clip_vectors(student, material, front_end)
    y, sr = soundfile.read(library / "07.wav", dtype="float32")
    own = Encoder(Model.load(tmp_path / "m")).embed(y, sr)
    cosine = float(own @ vectors[7]) / float(np.linalg.norm(vectors[7]))
    assert cosine == pytest.approx(1.0, abs=1e-4)  # mel is kept in 16 bits
    assert vectors.shape == (20, 8)


def test_folders_of_something_else_are_left_alone(
    folder: Path, trained: tuple[Trained, list[Progress]], teacher: Path, tmp_path: Path
) -> None:
    done = trained[0]
    with pytest.raises(ModelError, match=r"training of other settings \(windows\)"):
        train_encoder(
            [folder], done.model.folder, teachers=[teacher], recipe=replace(FAST, windows=320)
        )
    with pytest.raises(ModelError, match="not the model of this training"):
        train_encoder([folder], teacher, teachers=[teacher], recipe=FAST, work=tmp_path / "work")
    assert Model.load(done.model.folder).sha256 == done.model.sha256
    assert Model.load(teacher).id == "toy"


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Path]:
    """Nineteen clips, and five that can be opened but not used."""
    library = make_clips(tmp_path / "library")
    for number in range(5):
        soundfile.write(library / f"clip{number:02}.wav", np.zeros(16000 + number), 16000)
    yield library


def test_files_that_cannot_be_used_are_listed_and_counted(
    broken: Path, teacher: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"19 audio files .* 5 skipped: .*clip00\.wav: silence"):
        train_encoder([broken], tmp_path / "m", teachers=[teacher], recipe=FAST)
    reasons = (tmp_path / "m.work" / "skipped.csv").read_text().splitlines()
    assert reasons[0] == "path,reason"
    assert len(reasons) == 6


def test_a_training_needs_something_to_learn_from(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing to learn from"):
        train_encoder([folder], tmp_path / "m")
    with pytest.raises(ModelError, match="nothing is left for the rest"):
        train_encoder([f"{folder}=1", tmp_path], tmp_path / "m", labels=[folder / "labels.csv"])
    with pytest.raises(ModelError, match="must be among the audio"):
        train_encoder([folder], tmp_path / "m", labels=[folder / "labels.csv"], targets=[tmp_path])
    with pytest.raises(MusicuError, match="batch must be at least 2"):
        Recipe(batch=1)
    with pytest.raises(ModelError, match="mix must lie in"):
        Recipe(mix=1.5)
    with pytest.raises(ModelError, match="dropout in"):
        Recipe(dropout=1.0)
    with pytest.raises(ModelError, match="not a checkpoint"):
        load_checkpoint(folder / "labels.csv")


@pytest.mark.parametrize("held_out", [float("nan"), 0.5])
def test_curves_are_one_document_that_shows_the_last_values(held_out: float) -> None:
    drawn = curves(
        [[10, 1.25, 0.2], [20, 0.75, held_out]], title="<m> & co", figure="same-artist MAP"
    )
    texts = [element.text for element in ET.fromstring(drawn).iter() if element.text]
    assert "<m> & co" in texts
    assert "0.750" in texts
    assert ("0.500" if held_out == 0.5 else "0.200") in texts
    ET.fromstring(curves([[10, 1.0, float("nan")]], title="m", figure="x"))
