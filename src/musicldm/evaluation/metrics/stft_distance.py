"""STFT distance: how far waves are from the real ones, phases ignored.

Source: Parallel WaveGAN (arXiv 1910.11480), eq. 4 and 5. Conventions: waves (n, samples) of equal shapes; magnitudes at
the three resolutions of `RESOLUTIONS`; means over everything, 0 for equal sounds, lower is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from musicldm.errors import InvalidInputError

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))
"""Length of the transform and hop in samples."""


@dataclass(frozen=True)
class StftDistance:
    """Means over `RESOLUTIONS`.

    `convergence` is the relative Frobenius distance of the magnitudes, `log_magnitude` the L1 of their logs in nats.
    """

    convergence: float
    log_magnitude: float


def stft_distance(
    made: npt.NDArray[np.float32],
    real: npt.NDArray[np.float32],
    resolutions: Sequence[tuple[int, int]] = RESOLUTIONS,
    floor: float = 1e-5,
) -> StftDistance:
    """How far waves (n, samples) are from the real ones, phases ignored.

    Raises:
        InvalidInputError: shapes that differ, or waves shorter than the longest transform.
    """
    longest = max(n_fft for n_fft, _ in resolutions)
    if made.shape != real.shape or made.ndim != 2 or made.shape[1] < longest:
        raise InvalidInputError(
            f"waves of shapes {made.shape} and {real.shape}: both must be (n, samples) with at least {longest} samples"
        )
    convergence, log_magnitude = [], []
    for n_fft, hop in resolutions:
        window = torch.hann_window(n_fft)
        a, b = (
            torch.stft(torch.from_numpy(wave), n_fft, hop, window=window, return_complex=True).abs()
            for wave in (made, real)
        )
        scale = torch.linalg.matrix_norm(b).clamp(min=floor)
        convergence.append(float((torch.linalg.matrix_norm(a - b) / scale).mean()))
        log_magnitude.append(float((a.clamp(min=floor).log() - b.clamp(min=floor).log()).abs().mean()))
    return StftDistance(float(np.mean(convergence)), float(np.mean(log_magnitude)))
