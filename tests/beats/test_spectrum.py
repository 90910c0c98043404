"""beat_this' front end without torchaudio, against librosa and against the formula of its `LogMelSpect`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from musicldm.beats.spectrum import SPEC, bins_below, compress, frame_count, magnitudes, reflected

librosa = pytest.importorskip("librosa")


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.arange(22050) / 22050
    return (0.3 * np.sin(2 * np.pi * 440 * time) + 0.1 * rng.standard_normal(22050)).astype(np.float32)


def test_the_spectrum_is_librosas(wave: np.ndarray) -> None:
    """torchaudio's normalized="frame_length" is the root of the frame's length, its triangles have no norm."""
    expected = librosa.feature.melspectrogram(
        y=wave, sr=22050, n_fft=1024, hop_length=441, power=1, center=True, pad_mode="reflect", n_mels=128, fmin=30,
        fmax=11000, htk=False, norm=None,
    ).T / np.sqrt(1024)  # fmt: skip
    found = magnitudes(torch.from_numpy(reflected(wave))).numpy()
    assert found.shape == expected.shape == (frame_count(len(wave)), 128)
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert np.allclose(compress(torch.from_numpy(found)).numpy(), np.log1p(1000 * expected), rtol=1e-3, atol=1e-4)


def test_a_frame_is_centred_where_its_time_says() -> None:
    wave = np.zeros(22050, np.float32)
    wave[441 * 20] = 1.0
    assert int(magnitudes(torch.from_numpy(reflected(wave))).sum(dim=1).argmax()) == 20


def test_a_sine_of_full_scale_has_the_height_of_the_closed_form() -> None:
    """Hann-windowed, half of 512 · amplitude / √1024 at the sine's frequency; at the middle of a triangle whole."""
    bin_at = 93
    edges = librosa.mel_frequencies(130, fmin=30, fmax=11000)
    sine = np.sin(2 * np.pi * edges[bin_at + 1] * np.arange(22050) / 22050).astype(np.float32)
    mel = magnitudes(torch.from_numpy(reflected(sine)))[10:-10]
    assert int(mel.mean(dim=0).argmax()) == bin_at
    bands = librosa.filters.mel(sr=22050, n_fft=1024, n_mels=128, fmin=30, fmax=11000, norm=None)[bin_at]
    frequencies = np.arange(513) * 22050 / 1024
    offset = (frequencies - edges[bin_at + 1]) * 1024 / 22050
    with np.errstate(divide="ignore", invalid="ignore"):
        kernel = np.nan_to_num(np.abs(np.sinc(offset) / (1 - offset**2)), nan=0.5, posinf=0.5)
    assert float(mel.mean(dim=0)[bin_at]) == pytest.approx(float((bands * kernel).sum()) * 256 / 32, rel=0.02)


def test_bins_that_lie_whole_below_the_edge_are_kept() -> None:
    edges = librosa.mel_frequencies(130, fmin=30, fmax=11000)
    for hertz in (500.0, 7500.0, 10999.0):
        assert bins_below(hertz) == int((edges[2:] <= hertz).sum())
    assert bins_below(SPEC.f_max) == 128
