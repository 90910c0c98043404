"""From one sample rate to another."""

from __future__ import annotations

import numpy as np

from musicldm.audio import Wave
from musicldm.errors import InvalidInputError


def resample(wave: Wave, source_rate: int, target_rate: int) -> Wave:
    """Wave (n,) at one rate in Hz to wave (about n * target / source,) at another, by soxr's high quality."""
    if min(source_rate, target_rate) < 1:
        raise InvalidInputError(f"sample rates {source_rate} and {target_rate}: both must be at least 1 Hz")
    if source_rate == target_rate:
        return wave
    import soxr

    return np.asarray(soxr.resample(wave, source_rate, target_rate), dtype=np.float32)
