from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_audio import Array, noise, notes, sine, write
from networks import mean_network, model_folder

from musicu.audio.decode import AudioStream, load
from musicu.audio.mel import LOG_MEL_PRESETS, compress, log_mel
from musicu.encoders.encoder import SILENCE, Embedder, Encoder
from musicu.encoders.model import Model
from musicu.errors import AudioError, ModelError

# A float32 vector's length.
UNIT = 1e-6
# The front end takes the level out; what is left is the rounding of the samples.
GAIN = 0.9999
# Blocks end at other samples: float32 sums in another order, through a dozen layers.
BLOCKS = 1e-4
# The top edge lies below both rates' roll-offs; resamplers differ near it.
RESAMPLED = 0.99
# Two of twelve seconds are silent, and the windows start elsewhere in the music.
LEAD_IN = 0.9
# A twelve-layer network on another library's kernels.
TEACHERS = 1e-4

SR = 16000


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.from_pretrained()


def music(sr: int = SR, seconds: float = 12.0, seed: int = 0) -> Array:
    """Notes over noise, [n]."""
    return (notes(sr, seconds, seed=seed) + noise(sr, seconds, rms=0.01, seed=seed))[0]


def test_embedding_is_a_unit_vector(encoder: Encoder) -> None:
    vector = encoder.embed(music(), SR)
    assert vector.shape == (encoder.dim,) == (encoder.model.dim,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=UNIT)


def test_same_music_has_the_same_vector_other_music_another(encoder: Encoder) -> None:
    vector = encoder.embed(music(), SR)
    np.testing.assert_array_equal(encoder.embed(music(), SR), vector)
    assert float(encoder.embed(noise(SR, 12.0)[0], SR) @ vector) < 0.9


@pytest.mark.parametrize("decibels", [-40, -12, -1, 12, 40])
def test_gain_does_not_move_the_vector(encoder: Encoder, decibels: float) -> None:
    y = music()
    louder = y * np.float32(10 ** (decibels / 20))
    assert float(encoder.embed(louder, SR) @ encoder.embed(y, SR)) > GAIN


@settings(max_examples=5, deadline=None)
@given(size=st.integers(100, 70_000))
def test_blocks_embed_as_the_whole(encoder: Encoder, size: int) -> None:
    y = music(seconds=8.0)
    embedder = Embedder(encoder)
    for start in range(0, len(y), size):
        embedder.push(y[start : start + size])
    embedder.finish()
    np.testing.assert_allclose(embedder.track(), encoder.embed(y, SR), atol=BLOCKS)


def test_file_embeds_as_its_samples(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "music.flac"
    write(path, music(44100)[None], 44100, "flac")
    embedder = Embedder(encoder)
    for block in AudioStream(path, sr=SR):
        embedder.push(block)
    embedder.finish()
    y, sr = load(path)
    np.testing.assert_allclose(embedder.track(), encoder.embed(y, sr), atol=BLOCKS)


def test_stereo_embeds_as_the_mean_of_its_channels(encoder: Encoder) -> None:
    y = np.stack([music(seed=1), music(seed=2)])
    np.testing.assert_array_equal(encoder.embed(y, SR), encoder.embed(y.mean(axis=0), SR))


@pytest.mark.parametrize("dtype", ["float64", "int16", "list"])
def test_any_kind_of_numbers_will_do(encoder: Encoder, dtype: str) -> None:
    y = music(seconds=4.0)
    other = y.tolist() if dtype == "list" else (y * 32767).astype(dtype)
    assert float(encoder.embed(other, SR) @ encoder.embed(y, SR)) > GAIN


def test_sample_rate_does_not_move_the_vector(encoder: Encoder) -> None:
    soxr = pytest.importorskip("soxr")
    y = music(44100)
    ours = encoder.embed(y, 44100)
    for quality in ("LQ", "VHQ"):
        lower = soxr.resample(y, 44100, SR, quality=quality)
        assert float(encoder.embed(lower, SR) @ ours) > RESAMPLED


@pytest.mark.parametrize("n", [1, 2, 255, 257, SR, 3 * SR + 100])
@pytest.mark.parametrize("sr", [SR, 44100])
def test_short_signal_has_a_vector(encoder: Encoder, n: int, sr: int) -> None:
    vector = encoder.embed(0.5 + noise(sr, n / sr)[0], sr)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=UNIT)


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (np.zeros(0), "samples must be"),
        (np.zeros((2, 0)), "samples must be"),
        (np.zeros((0, 5)), "samples must be"),
        (np.zeros((2, 3, 4)), "samples must be"),
        (np.ones((SR, 2)), "samples must be"),  # soundfile's order
        (np.zeros(SR), "silence"),
        (np.full(SR, SILENCE / 2), "silence"),
        (np.stack([sine(SR, 1.0)[0], -sine(SR, 1.0)[0]]), "silence"),
        (np.full(SR, np.nan), "not numbers"),
        (np.r_[np.inf, np.ones(SR)], "not numbers"),
        (np.r_[np.ones(SR), 1e200], "beyond any scale"),
        (np.full((2, SR), 3e38, dtype=np.float32), "beyond any scale"),
    ],
)
def test_what_cannot_be_embedded_is_refused(encoder: Encoder, y: Array, says: str) -> None:
    with pytest.raises(AudioError, match=says) as caught:
        encoder.embed(y, SR)
    assert "\n" not in str(caught.value)
    with pytest.raises(AudioError, match=says):
        encoder.embed_windows(y, SR)


def test_windows_are_unit_vectors_with_their_times(encoder: Encoder) -> None:
    fe = encoder.model.front_end
    y = music(fe.sr, 20.0)
    vectors, times = encoder.embed_windows(y, fe.sr)
    windows, expected = log_mel(y, fe)
    assert vectors.shape == (len(windows), encoder.dim)
    np.testing.assert_array_equal(times, expected)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=UNIT)


def test_more_windows_than_a_batch_are_each_embedded_alone(encoder: Encoder) -> None:
    fe = encoder.model.front_end
    y = music(fe.sr, 45.0)
    vectors, times = encoder.embed_windows(y, fe.sr)
    assert len(vectors) > 8
    alone = encoder.run(log_mel(y, fe)[0][9:10])[0]
    np.testing.assert_allclose(vectors[9], alone / np.linalg.norm(alone), atol=BLOCKS)


def test_long_track_reaches_the_network_in_small_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder.from_pretrained(model_folder(tmp_path))
    run, sizes = encoder.run, []

    def counted(windows: Array) -> Array:
        sizes.append(len(windows))
        return run(windows)

    monkeypatch.setattr(encoder, "run", counted)
    windows, _ = encoder.embed_windows(noise(SR, 30.0)[0], SR)
    assert sum(sizes) == len(windows) > 50
    assert max(sizes) <= 16


def test_silent_lead_in_moves_the_vector_little(encoder: Encoder) -> None:
    y = music()
    late = np.concatenate([np.zeros(2 * SR, dtype=np.float32), y])
    assert float(encoder.embed(late, SR) @ encoder.embed(y, SR)) >= LEAD_IN


# ------------------------------------------------------------------- networks computed by hand


def test_vector_is_the_mean_of_what_the_network_gives(tmp_path: Path) -> None:
    encoder = Encoder.from_pretrained(model_folder(tmp_path))
    y = music(seconds=3.2)
    mean = log_mel(y, encoder.model.front_end)[0].mean(axis=(0, 1))
    np.testing.assert_allclose(encoder.embed(y, SR), mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "axes", "layout"),
    [
        ((20, 8), (1,), "time-mel"),
        ((8, 20), (2,), "mel-time"),
        ((1, 20, 8), (1, 2), "time-mel"),
        ((1, 8, 20), (1, 3), "mel-time"),
    ],
)
def test_every_layout_gives_the_same_vector(
    shape: tuple[int, ...], axes: tuple[int, ...], layout: str, tmp_path: Path
) -> None:
    plain = Encoder.from_pretrained(model_folder(tmp_path))
    folder = model_folder(tmp_path, id="other", layout=layout)
    mean_network(folder / "encoder.onnx", shape=shape, axes=axes)
    other = Encoder.from_pretrained(folder)
    other.check()
    y = music(seconds=2.0)
    np.testing.assert_allclose(other.embed(y, SR), plain.embed(y, SR), atol=1e-6)


def test_gate_leaves_out_what_is_far_below_the_loudest(tmp_path: Path) -> None:
    """20 dB under a gate of 30 dB counts, 40 dB does not; a gain on all changes nothing."""
    fe = {"preset": "musicu", "n_mels": 8, "window": 20, "window_hop": 20}
    gated = Encoder.from_pretrained(model_folder(tmp_path, gate_db=30.0, front_end=fe))
    open_ = Encoder.from_pretrained(model_folder(tmp_path, id="open", front_end=fe))
    seconds = 40 * 20 * 256 / SR
    loud, quiet = sine(SR, seconds, hz=300.0)[0], sine(SR, seconds, hz=3000.0)[0]
    for decibels, counts in ((-20, True), (-40, False)):
        y = np.concatenate([loud, quiet * np.float32(10 ** (decibels / 20))])
        alone = gated.embed(loud, SR)
        assert (float(gated.embed(y, SR) @ alone) < 0.98) == counts
        assert float(gated.embed(y * np.float32(0.01), SR) @ gated.embed(y, SR)) > GAIN
        assert float(open_.embed(y, SR) @ alone) < 0.98


def test_network_that_needs_an_unknown_input_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, output="embedding")
    with pytest.raises(ModelError, match="inputs mel and outputs vector, not 'mel' and 'embedd"):
        Encoder.from_pretrained(folder)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "preset", "signal", "frames", "expected", "output"),
    [
        (
            "msd_musicnn",
            "musicnn",
            "y16",
            "musicnn_logmel",
            "musicnn_patches_mean_penultimate",
            "penultimate",
        ),
        (
            "artist_siamese",
            "artist_siamese",
            "y22",
            "siamese_logmel",
            "siamese_embedding_mean",
            "embedding",
        ),
    ],
)
def test_published_networks_give_their_authors_vectors(
    name: str, preset: str, signal: str, frames: str, expected: str, output: str, tmp_path: Path
) -> None:
    data = os.environ.get("MUSICU_DATA")
    if not data:
        pytest.skip("MUSICU_DATA is not set")
    folder = Path(data).parent / "teachers"
    if not (folder / "check.npz").exists():
        pytest.skip(f"no {folder / 'check.npz'}")
    check = np.load(folder / "check.npz", allow_pickle=False)
    (tmp_path / "encoder.onnx").symlink_to(folder / f"{name}.onnx")
    encoder = Encoder(
        Model(
            id=name,
            version="1",
            sha256="",
            dim=len(check[expected]),
            front_end=LOG_MEL_PRESETS[preset],
            folder=tmp_path,
            output=output,
        )
    )
    fe = LOG_MEL_PRESETS[preset]
    # Of what is left at the end no window is made: the authors' code makes none either.
    whole = len(check[frames]) // fe.window
    patches = check[frames][: whole * fe.window].reshape(whole, fe.window, fe.n_mels)
    mean = check[expected]
    np.testing.assert_allclose(encoder.run(patches).mean(axis=0), mean, atol=TEACHERS)
    vector = encoder.embed(check[signal], fe.sr)
    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=TEACHERS)


def test_compressed_noise_is_what_the_check_feeds(tmp_path: Path) -> None:
    encoder = Encoder.from_pretrained(model_folder(tmp_path))
    encoder.check()
    windows = np.random.default_rng(1).random((3, 20, 8), dtype=np.float32)
    heard = compress(windows, encoder.model.front_end)
    np.testing.assert_allclose(encoder.run(heard), heard.mean(axis=1), rtol=1e-5)
