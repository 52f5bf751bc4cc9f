import numpy as np
import pytest
from scipy.fft import dct

torch = pytest.importorskip("torch", reason="needs the extra musicu[train]")

from musicu.arrays import unit_rows  # noqa: E402
from musicu.audio.mel import LOG_MEL_PRESETS, log_mel  # noqa: E402
from musicu.evaluation.retrieval_metrics import similarities  # noqa: E402
from musicu.training.timbre import Cepstra, beside  # noqa: E402

CEPSTRA = Cepstra(96)
pytestmark = pytest.mark.train

FRONT_END = LOG_MEL_PRESETS["musicu"]
N, DIM = 200, 8


def test_cepstra_are_the_cosine_transform_of_the_log_mel_bands() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((3, FRONT_END.window, FRONT_END.n_mels), dtype=np.float32)
    x /= x.mean(axis=2, keepdims=True)  # all frames equally loud
    c = dct(x, axis=2, norm="ortho")[:, :, 1:25]
    wanted = np.concatenate([c.mean(1), c.std(1), np.diff(c, axis=1).std(1)], axis=1)
    np.testing.assert_allclose(CEPSTRA(torch.from_numpy(x)).numpy(), wanted, atol=1e-5)


def test_silence_before_the_music_says_nothing() -> None:
    x = np.random.default_rng(0).random((1, 100, FRONT_END.n_mels), dtype=np.float32)
    after = np.concatenate([np.zeros_like(x), x], axis=1)
    heard = [CEPSTRA(torch.from_numpy(frames)).numpy() for frames in (x, after)]
    np.testing.assert_allclose(heard[1], heard[0], atol=1e-5)
    nothing = CEPSTRA(torch.zeros(1, 100, FRONT_END.n_mels)).numpy()
    np.testing.assert_array_equal(nothing, np.zeros((1, 72)))


def test_a_steady_sound_has_no_spread_and_gain_changes_nothing() -> None:
    sr = FRONT_END.sr
    tone = 0.1 * np.sin(2 * np.pi * 500 * np.arange(12 * sr) / sr).astype(np.float32)
    described = []
    for gain in (1.0, 0.1):
        windows = log_mel(np.float32(gain) * tone, FRONT_END)[0][1:-1]
        described.append(CEPSTRA(torch.from_numpy(windows))[0].numpy())
    assert np.abs(described[0][:24]).max() > 1
    assert np.abs(described[0][24:]).max() < 0.01
    np.testing.assert_allclose(described[1], described[0], atol=1e-3)


def parts(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    timbre = rng.standard_normal((N, 72)) @ rng.standard_normal((72, 72)) + 5
    return rng.standard_normal((N, DIM)).astype(np.float32) + 1, timbre.astype(np.float32)


def mapped(vectors: np.ndarray, timbre: np.ndarray, share: float, dim: int) -> np.ndarray:
    weight, bias = beside(vectors, timbre, share=share, dim=dim)
    assert weight.shape == (dim, DIM + 72) and bias.shape == (dim,)
    return np.concatenate([vectors, timbre], axis=1) @ weight.T + bias


def test_timbre_weighs_as_much_as_its_share_says() -> None:
    vectors, timbre = parts(0)
    # With all axes kept, products are the sum of the two parts' own.
    both = mapped(vectors, timbre, 0.5, DIM + 40)
    alone = vectors - vectors.mean(axis=0)
    alone /= np.sqrt((alone**2).sum(axis=1).mean())
    rest = both @ both.T - alone @ alone.T
    np.testing.assert_allclose(np.trace(rest) / N, 0.25, rtol=1e-3)
    values = np.linalg.eigvalsh(rest)[::-1]
    np.testing.assert_allclose(values[:40], values[0], rtol=1e-2)  # whitened
    assert np.abs(values[40:]).max() < 1e-3 * values[0]


def test_the_axes_that_are_left_out_matter_least() -> None:
    vectors, timbre = parts(1)
    whole, most = (
        similarities(unit_rows(mapped(vectors, timbre, 0.1, d))) for d in (DIM + 40, DIM)
    )
    assert np.corrcoef(whole.ravel(), most.ravel())[0, 1] > 0.99


def test_timbre_that_never_changes_adds_nothing() -> None:
    vectors, timbre = parts(2)
    both = mapped(vectors, np.ones_like(timbre), 0.5, DIM)
    assert np.isfinite(both).all()
    alone = vectors - vectors.mean(axis=0)
    np.testing.assert_allclose(
        similarities(unit_rows(both)), similarities(unit_rows(alone)), atol=1e-5
    )
