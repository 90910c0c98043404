"""Log-mel spectrograms: what they are made of, and waves to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class MelSpec:
    """What a log-mel spectrogram is made of; the defaults are the published MusicLDM's.

    Args:
        sample_rate: samples a second.
        n_fft: length of the Fourier transform in samples.
        win_length: length of the periodic Hann window in samples, at most `n_fft`.
        hop_length: samples from one frame to the next.
        n_mels: number of mel bins.
        f_min: lower edge of the first bin in Hz.
        f_max: upper edge of the last bin in Hz, at most half the sample rate.
        floor: smallest magnitude before the logarithm.

    Raises:
        InvalidInputError: a value outside its range.
    """

    sample_rate: int = 16000
    n_fft: int = 1024
    win_length: int = 1024
    hop_length: int = 160
    n_mels: int = 64
    f_min: float = 0.0
    f_max: float = 8000.0
    floor: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "win_length", "hop_length", "n_mels"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"MelSpec {name} is {getattr(self, name)}: it must be at least 1")
        if not self.hop_length <= self.win_length <= self.n_fft:
            raise InvalidInputError(
                f"MelSpec hop_length {self.hop_length}, win_length {self.win_length}, n_fft {self.n_fft}: "
                "they must not decrease in this order"
            )
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise InvalidInputError(
                f"MelSpec f_min {self.f_min}, f_max {self.f_max}: valid is 0 <= f_min < f_max <= {self.sample_rate / 2}"
            )
        if not self.floor > 0:
            raise InvalidInputError(f"MelSpec floor is {self.floor}: it must be above 0")

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate / self.hop_length

    def frames(self, n_samples: int) -> int:
        """Number of frames that `log_mel` gives for `n_samples` samples."""
        return (n_samples - self.hop_length) // self.hop_length + 1


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Frequency in Hz to mel on Slaney's scale: linear (3 mel a 200 Hz) to 1000 Hz, above it 27 mel a factor of 6.4."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < 1000.0, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000.0) / 1000) / np.log(6.4))


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15.0, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15.0) - 15) / 27 * np.log(6.4)))


def mel_filters(spec: MelSpec) -> npt.NDArray[np.float64]:
    """Triangles (n_mels, n_fft // 2 + 1) on Slaney's scale, each of unit area over Hz (Slaney's normalisation)."""
    edges = mel_to_hz(np.linspace(hz_to_mel(spec.f_min), hz_to_mel(spec.f_max), spec.n_mels + 2))[:, None]
    bins = np.arange(spec.n_fft // 2 + 1) * spec.sample_rate / spec.n_fft
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    return np.asarray(np.maximum(triangles, 0) * 2 / (right - left))


@lru_cache(maxsize=32)
def _mel_constants(spec: MelSpec, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Window (win_length,) and filters (n_fft // 2 + 1, n_mels) on a device; usable in autograd whoever asks first."""
    import torch

    with torch.inference_mode(mode=False):
        window = torch.hann_window(spec.win_length, dtype=torch.float32, device=device)
        filters = torch.tensor(mel_filters(spec).T, dtype=torch.float32, device=device).contiguous()
    return window, filters


def log_mel(waveform: torch.Tensor, spec: MelSpec | None = None) -> torch.Tensor:
    """Waveform (..., samples) to natural-log magnitude mel (..., frames, n_mels), float32, differentiable.

    The convention of HiFi-GAN (arXiv 2010.05646): reflection by (n_fft - hop) / 2 at both ends instead of centring,
    Slaney's mel scale and normalisation, magnitudes clamped at `spec.floor`. Frames: samples // hop_length.

    Raises:
        InvalidInputError: fewer samples than the reflection needs.
    """
    import torch

    spec = spec or MelSpec()
    left = (spec.n_fft - spec.hop_length) // 2
    right = spec.n_fft - spec.hop_length - left
    samples = waveform.shape[-1]
    if samples <= max(right, spec.hop_length - 1):
        needed = max(right + 1, spec.hop_length)
        raise InvalidInputError(f"a waveform of {samples} samples is too short for a log-mel: at least {needed}")
    window, filters = _mel_constants(spec, waveform.device)
    with torch.autocast(waveform.device.type, enabled=False):
        flat = waveform.float().reshape(-1, samples)
        padded = torch.nn.functional.pad(flat, (left, right), mode="reflect")
        spectrum = torch.stft(
            padded,
            n_fft=spec.n_fft,
            hop_length=spec.hop_length,
            win_length=spec.win_length,
            window=window,
            center=False,
            return_complex=True,
        )
        mel = spectrum.abs().transpose(-1, -2) @ filters
        return mel.clamp(min=spec.floor).log().reshape(*waveform.shape[:-1], *mel.shape[-2:])
