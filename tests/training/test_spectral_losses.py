"""Distances of spectra by closed forms and by NumPy."""

import numpy as np
import pytest
import torch

from musicldm.audio.mel import MelSpec, log_mel
from musicldm.training.networks.discriminators import SoundDiscriminators, SpectrumDiscriminator
from musicldm.training.spectral_losses import FLOOR, Bands, Resolution, spectral_distance

RESOLUTIONS = (Resolution(256, 64), Resolution(1024, 256))
BANDS = {"mel": Bands(1024, 32, 8000.0)}


def noise(seed: int, size: int = 8000) -> torch.Tensor:
    return 0.1 * torch.randn(2, size, generator=torch.Generator().manual_seed(seed))


def distance(fake: torch.Tensor, real: torch.Tensor) -> dict[str, float]:
    return {name: float(value) for name, value in spectral_distance(fake, real, RESOLUTIONS, BANDS, 16000).items()}


def test_equal_waves_are_nowhere_apart() -> None:
    assert distance(noise(0), noise(0)) == {"convergence": 0, "magnitude": 0, "mel": 0}


def test_twice_the_wave_is_the_logarithm_of_two_away_and_converges_at_one() -> None:
    found = distance(2 * noise(0), noise(0))
    assert found == pytest.approx({"convergence": 1, "magnitude": np.log(2), "mel": np.log(2)}, rel=1e-3)


def test_what_lies_below_the_floor_is_as_good_as_silence() -> None:
    quiet = distance(1e-2 * FLOOR * noise(0), torch.zeros(2, 8000))
    assert max(quiet["magnitude"], quiet["mel"]) < 1e-2


def test_a_nearly_silent_wave_is_told_to_get_louder() -> None:
    wave = (1e-3 * FLOOR * noise(0)).requires_grad_()
    terms = spectral_distance(wave, noise(0), RESOLUTIONS, BANDS, 16000)
    terms["magnitude"].backward()
    assert wave.grad is not None
    assert float((wave.grad * noise(0)).sum()) < 0


def test_terms_are_the_means_that_numpy_finds() -> None:
    fake, real = noise(1), noise(2)
    convergence, magnitude = [], []
    for resolution in RESOLUTIONS:
        size, hop = resolution.window, resolution.hop
        window = np.hanning(size + 1)[:-1]
        spectra = []
        for wave in (fake, real):
            padded = np.pad(wave.double().numpy(), ((0, 0), (size // 2, size // 2)), mode="reflect")
            frames = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, ::hop]
            spectra.append(np.abs(np.fft.rfft(frames * window)) / np.sqrt(np.square(window).sum()))
        f, r = spectra
        norms = np.sqrt(np.square(r - f).sum((1, 2)) / np.square(r).sum((1, 2)))
        convergence.append(norms.mean())
        magnitude.append(np.abs(np.log(f + FLOOR) - np.log(r + FLOOR)).mean())
    found = distance(fake, real)
    assert found["convergence"] == pytest.approx(np.mean(convergence), rel=1e-4)
    assert found["magnitude"] == pytest.approx(np.mean(magnitude), rel=1e-4)


def test_mels_of_a_wave_at_three_times_the_rate_are_those_of_the_wave() -> None:
    """So that the distance in the model's own log-mels needs no resampling in training."""
    time = np.arange(48000) / 48000
    tones = sum(np.sin(2 * np.pi * f * time + f) / f for f in (110, 440, 1234, 3000, 7000))
    fast, slow = torch.tensor(tones, dtype=torch.float32), torch.tensor(tones[::3].copy(), dtype=torch.float32)
    spec = MelSpec(48000, 3072, 3072, 480, 64, 0.0, 8000.0, floor=3e-5)
    assert torch.allclose(log_mel(fast, spec)[5:-5] - np.log(3), log_mel(slow)[5:-5], atol=0.02)


def test_a_spectrum_discriminator_has_a_verdict_for_each_part_of_the_bands_and_hears_no_other() -> None:
    torch.manual_seed(0)
    judge = SpectrumDiscriminator(512, (0.0, 0.25, 1.0), (4, 4))
    low = 0.1 * torch.sin(2 * torch.pi * 0.01 * torch.arange(8192))[None]
    high = 0.1 * torch.sin(2 * torch.pi * 0.3 * torch.arange(8192))[None]
    quiet, with_high = judge(low), judge(low + high)
    assert len(quiet) == 2
    inside = slice(4, -4)  # at the ends the tones are cut, and spread over all bands
    assert torch.allclose(quiet[0][0][:, :, inside], with_high[0][0][:, :, inside], atol=0.02)
    assert not torch.allclose(quiet[1][0][:, :, inside], with_high[1][0][:, :, inside], atol=0.02)


def test_sound_discriminators_judge_periods_and_then_parts_of_spectra() -> None:
    judges = SoundDiscriminators((2, 3), (4, 4), (512, 1024), (0.0, 0.5, 1.0), (4, 4))
    assert len(judges(noise(0))) == 2 + 2 * 2
