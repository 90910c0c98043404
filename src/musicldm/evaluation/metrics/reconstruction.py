"""What the codec of a model, its VAE and vocoder, keeps of real clips.

Conventions: log-mels (n, frames, bins) and waves (n, samples); distances are means over everything, 0 for equal sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from musicldm.errors import InvalidInputError
from musicldm.model.parts import load_part
from musicldm.model.vocoder import vocode

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))


@dataclass(frozen=True)
class StftDistance:
    """Of Parallel WaveGAN (arXiv 1910.11480), eq. 4 and 5, mean over `RESOLUTIONS` of (n_fft, hop).

    `convergence` is the relative Frobenius distance of the magnitudes, `log_magnitude` the L1 of their logs in nats.
    """

    convergence: float
    log_magnitude: float


class Codec:
    """The VAE and the vocoder of a model folder, on the CPU in single precision, by default one clip at a time.

    A clip's layers then stay in the processor's caches.
    """

    def __init__(self, vae: Any, vocoder: Any) -> None:
        self.vae = vae.eval()
        self.vocoder = vocoder.eval()

    @classmethod
    def load(cls, folder: Path | str) -> Codec:
        """Reads `vae/` and `vocoder/` of a model folder.

        Raises:
            CheckpointError: one of them is missing or unreadable.
        """
        from diffusers import AutoencoderKL
        from transformers import SpeechT5HifiGan

        return cls(load_part(AutoencoderKL, Path(folder), "vae"), load_part(SpeechT5HifiGan, Path(folder), "vocoder"))

    @torch.inference_mode()
    def mels(self, mels: npt.ArrayLike, *, batch_size: int = 1) -> npt.NDArray[np.float32]:
        """Log-mels (n, frames, bins) through the VAE alone, the posterior's mean decoded."""
        source = np.asarray(mels)
        parts = []
        for start in range(0, len(source), batch_size):
            batch = torch.from_numpy(np.array(source[start : start + batch_size], dtype=np.float32))[:, None]
            parts.append(self.vae.decode(self.vae.encode(batch).latent_dist.mode()).sample[:, 0].numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def waves(self, mels: npt.ArrayLike, *, batch_size: int = 1) -> npt.NDArray[np.float32]:
        """Log-mels (n, frames, bins) to waves (n, samples) by the vocoder."""
        source = np.asarray(mels)
        parts = []
        for start in range(0, len(source), batch_size):
            batch = torch.from_numpy(np.array(source[start : start + batch_size], dtype=np.float32))
            parts.append(vocode(self.vocoder, batch).numpy())
        return np.concatenate(parts)

    def __call__(self, mels: npt.ArrayLike, *, batch_size: int = 1) -> npt.NDArray[np.float32]:
        """Log-mels (n, frames, bins) through VAE and vocoder to waves (n, samples)."""
        return self.waves(self.mels(mels, batch_size=batch_size), batch_size=batch_size)


def stft_distance(
    heard: npt.NDArray[np.float32],
    real: npt.NDArray[np.float32],
    resolutions: Sequence[tuple[int, int]] = RESOLUTIONS,
    floor: float = 1e-5,
) -> StftDistance:
    """How far waves (n, samples) are from the real ones, phases ignored.

    Raises:
        InvalidInputError: shapes that differ, or waves shorter than the longest transform.
    """
    longest = max(n_fft for n_fft, _ in resolutions)
    if heard.shape != real.shape or heard.ndim != 2 or heard.shape[1] < longest:
        raise InvalidInputError(
            f"waves of shapes {heard.shape} and {real.shape}: both must be (n, samples) with at least {longest} samples"
        )
    convergence, log_magnitude = [], []
    for n_fft, hop in resolutions:
        window = torch.hann_window(n_fft)
        a, b = (
            torch.stft(torch.from_numpy(wave), n_fft, hop, window=window, return_complex=True).abs()
            for wave in (heard, real)
        )
        scale = torch.linalg.matrix_norm(b).clamp(min=floor)
        convergence.append(float((torch.linalg.matrix_norm(a - b) / scale).mean()))
        log_magnitude.append(float((a.clamp(min=floor).log() - b.clamp(min=floor).log()).abs().mean()))
    return StftDistance(float(np.mean(convergence)), float(np.mean(log_magnitude)))
