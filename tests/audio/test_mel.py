"""Log-mels against librosa and closed forms."""

from __future__ import annotations

import math
from typing import Any

import librosa
import numpy as np
import pytest
import torch

from musicldm.audio import Wave, mel
from musicldm.audio.mel import MelSpec, log_mel
from musicldm.errors import InvalidInputError
from tests.tolerances import layers, sums

pytestmark = pytest.mark.numeric
SPECS = [
    MelSpec(),
    MelSpec(n_mels=128),
    MelSpec(sample_rate=48000, n_fft=2048, win_length=1200, hop_length=480, n_mels=100, f_min=40, f_max=20000),
]


def sine(frequency: float, seconds: float = 1.0, rate: int = 16000, amplitude: float = 0.5) -> Wave:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(samples: int, seed: int = 0, level: float = 0.1) -> Wave:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


LOGARITHM = sums(1, size=12)


def rounding(wave: Wave, spec: MelSpec) -> float:
    """Of a mel's magnitude in float32: a Fourier transform sums in log₂ n layers, up to a frame's norm."""
    frame = np.sqrt(spec.n_fft * np.square(wave).max())
    return layers(round(math.log2(spec.n_fft)), 2, size=frame * mel.mel_filters(spec).sum(axis=1).max())


@pytest.mark.parametrize("spec", SPECS)
def test_filters_are_librosas_slaney_filters(spec: MelSpec) -> None:
    expected = librosa.filters.mel(
        sr=spec.sample_rate, n_fft=spec.n_fft, n_mels=spec.n_mels, fmin=spec.f_min, fmax=spec.f_max, dtype=np.float64
    )
    np.testing.assert_allclose(mel.mel_filters(spec), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("spec", SPECS)
def test_log_mel_is_librosas_on_a_wave_padded_by_hand(spec: MelSpec) -> None:
    wave = noise(40000)
    padded = np.pad(wave, (spec.n_fft - spec.hop_length) // 2, mode="reflect").astype(np.float64)
    magnitude = np.abs(
        librosa.stft(padded, n_fft=spec.n_fft, hop_length=spec.hop_length, win_length=spec.win_length, center=False)
    )
    filters = librosa.filters.mel(
        sr=spec.sample_rate, n_fft=spec.n_fft, n_mels=spec.n_mels, fmin=spec.f_min, fmax=spec.f_max
    )
    expected = np.maximum(filters @ magnitude, spec.floor).T
    found = log_mel(torch.from_numpy(wave), spec).double().exp().numpy()
    np.testing.assert_allclose(found, expected, rtol=LOGARITHM, atol=rounding(wave, spec))


@pytest.mark.parametrize(("samples", "frames"), [(163840, 1024), (16000, 100), (16159, 100), (16160, 101)])
def test_the_number_of_frames_is_samples_over_hop(samples: int, frames: int) -> None:
    assert log_mel(torch.zeros(samples)).shape == (frames, 64)
    assert MelSpec().frames(samples) == frames


def test_a_sine_is_loudest_in_the_bin_of_its_frequency() -> None:
    centres = mel.mel_to_hz(np.linspace(mel.hz_to_mel(0), mel.hz_to_mel(8000), 66))[1:-1]
    for index in (5, 20, 40, 60):
        frames = log_mel(torch.from_numpy(sine(centres[index])))
        assert int(frames.mean(dim=0).argmax()) == index


def test_silence_is_the_floor_and_has_a_finite_gradient() -> None:
    wave = torch.zeros(8000, requires_grad=True)
    mel = log_mel(wave)
    assert torch.equal(mel, torch.full_like(mel, math.log(1e-5)))
    mel.sum().backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()


def test_the_gradient_is_that_of_finite_differences() -> None:
    spec = MelSpec(sample_rate=2000, n_fft=32, win_length=32, hop_length=16, n_mels=4, f_max=1000)
    wave = torch.from_numpy(noise(64, level=1.0)).requires_grad_()
    log_mel(wave, spec).sum().backward()
    assert wave.grad is not None
    step = 1e-2
    for index in (0, 17, 63):
        shift = torch.zeros(64)
        shift[index] = step
        rise = log_mel(wave.detach() + shift, spec).double().sum() - log_mel(wave.detach() - shift, spec).double().sum()
        assert rise.item() / (2 * step) == pytest.approx(wave.grad[index].item(), rel=0.02, abs=2e-3)


def test_a_batch_gives_the_values_of_its_waves_alone() -> None:
    waves = torch.from_numpy(noise(2 * 3 * 4000)).reshape(2, 3, 4000)
    mel = log_mel(waves)
    assert mel.shape == (2, 3, 25, 64)
    allowed = {"rtol": LOGARITHM, "atol": rounding(waves[1, 2].numpy(), MelSpec())}
    torch.testing.assert_close(mel[1, 2].double().exp(), log_mel(waves[1, 2]).double().exp(), **allowed)


def test_first_use_in_inference_mode_does_not_break_later_training() -> None:
    spec = MelSpec(n_mels=63)
    with torch.inference_mode():
        log_mel(torch.zeros(4000), spec)
    wave = torch.from_numpy(noise(4000)).requires_grad_()
    log_mel(wave, spec).sum().backward()
    assert wave.grad is not None


def test_autocast_and_half_precision_cost_no_accuracy() -> None:
    wave = torch.from_numpy(noise(4000))
    exact = log_mel(wave)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(log_mel(wave), exact)
    half = wave.half()
    assert torch.equal(log_mel(half), log_mel(half.float()))


def test_a_wave_too_short_to_reflect_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="432 samples is too short for a log-mel: at least 433"):
        log_mel(torch.zeros(432))
    assert log_mel(torch.zeros(433)).shape == (2, 64)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_mels": 0}, "n_mels is 0: it must be at least 1"),
        ({"hop_length": 2000}, "must not decrease"),
        ({"f_max": 9000.0}, "f_max 9000.0: valid is 0 <= f_min < f_max <= 8000"),
        ({"floor": 0.0}, "floor is 0.0: it must be above 0"),
    ],
)
def test_a_meaningless_mel_spec_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        MelSpec(**values)
