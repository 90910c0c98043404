"""`BeatTracker`: a wave to its beats, by a network and a search over its logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from musicldm.audio import Wave
from musicldm.audio.resampling import resample
from musicldm.beats.beats import Beats
from musicldm.beats.network import DEFAULT, NetworkConfig, load_network
from musicldm.beats.picking import pick_beats
from musicldm.beats.spectrum import (
    FRAMES_PER_SECOND,
    SHORTEST,
    SPEC,
    bins_below,
    compress,
    frame_count,
    magnitudes,
    reflected,
)
from musicldm.errors import InvalidInputError

_Logits = npt.NDArray[np.float32]

BORDER = 6
"""Frames at both ends of a chunk whose logits are not used: the loss never saw the ends of an excerpt."""


class BeatTracker:
    """Waves to `Beats`, by a network of beat_this' architecture."""

    def __init__(self, network: nn.Module, config: NetworkConfig, device: str | torch.device = "cpu") -> None:
        self.config = config
        self.device = torch.device(device)
        self.network: Any = network.to(self.device).eval()
        self._bins = bins_below(config.top_hz) if config.top_hz is not None else config.spect_dim

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = DEFAULT, *, device: str | torch.device = "cpu") -> BeatTracker:
        """A tracker by name: see `load_network` for names, folders and errors."""
        return cls(*load_network(name_or_path), device)

    def __call__(self, wave: Wave, sample_rate: int) -> Beats:
        """A mono wave (samples,) of any rate and length to its beats; none where it is shorter than 0.1 s.

        Raises:
            InvalidInputError: a wave of another shape, or with samples that are not finite.
        """
        beats, downbeats = pick_beats(*self.logits(wave, sample_rate))
        return Beats.of(beats / FRAMES_PER_SECOND, downbeats / FRAMES_PER_SECOND)

    @torch.inference_mode()
    def logits(self, wave: Wave, sample_rate: int) -> tuple[_Logits, _Logits]:
        """Logits of beat and downbeat (frames,), 50 a second, in overlapping chunks so that memory stays flat.

        Chunks as beat_this lays them: each gives its inside without `BORDER` frames at either end, the last one ends
        with the wave, and where two overlap the earlier one counts.
        """
        if wave.ndim != 1 or not np.isfinite(wave).all():
            raise InvalidInputError(f"wave of shape {wave.shape}: one mono wave of finite samples is needed")
        wave = resample(np.asarray(wave, np.float32), sample_rate, SPEC.sample_rate)
        if len(wave) < max(SHORTEST, SPEC.sample_rate // 10):
            return np.empty(0, np.float32), np.empty(0, np.float32)
        count, padded = frame_count(len(wave)), reflected(wave)
        out = np.empty((2, count), np.float32)
        for start in reversed(chunk_starts(count, self.config.chunk_frames)):
            inside = self._chunk(padded, start, min(start + self.config.chunk_frames, count + BORDER), count)
            out[:, start + BORDER : start + BORDER + inside.shape[1]] = inside
        return out[0], out[1]

    def _chunk(self, padded: Wave, start: int, stop: int, count: int) -> npt.NDArray[np.float32]:
        """Logits (2, frames) of the frames from `start` to `stop` without the borders; outside the wave is silence."""
        first, last = max(start, 0), min(stop, count)
        hop = SPEC.hop_length
        part = torch.from_numpy(padded[first * hop : (last - 1) * hop + SPEC.n_fft]).to(self.device)
        spectrum = torch.zeros(1, stop - start, SPEC.n_mels, device=self.device)
        spectrum[0, first - start : last - start, : self._bins] = compress(magnitudes(part)[:, : self._bins])
        logits = self.network(spectrum)
        both: Tensor = torch.stack([logits["beat"][0].float(), logits["downbeat"][0].float()])
        return np.asarray(both[:, BORDER:-BORDER].cpu().numpy())


def chunk_starts(count: int, chunk: int) -> list[int]:
    """First frames of the chunks over `count` frames; the first begins `BORDER` frames before the wave."""
    starts = list(range(-BORDER, count - BORDER, chunk - 2 * BORDER))
    if len(starts) > 1:
        starts[-1] = count + BORDER - chunk
    return starts
