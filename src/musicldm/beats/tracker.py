"""`BeatTracker`: a wave to its beats, downbeats, tempo and meter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from musicldm.audio.resampling import resample
from musicldm.beats.network import DEFAULT, NetworkConfig, load_network
from musicldm.beats.picking import Floats, pick_beats
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


_SAME_TEMPO = 0.2


@dataclass(frozen=True)
class Beats:
    """What a tracker hears.

    Args:
        beats: seconds from the first sample, ascending.
        downbeats: those of them that begin a bar.
        tempo: beats a minute, from the usual distance of two beats (`tempo_of_beats`); 0.0 with fewer than two beats.
        meter: beats in a bar, as most bars have them; 0 where no two downbeats follow each other.

    Raises:
        InvalidInputError: times that do not ascend, or a downbeat that is no beat.
    """

    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    tempo: float
    meter: int

    def __post_init__(self) -> None:
        if any(later <= earlier for earlier, later in zip(self.beats, self.beats[1:], strict=False)):
            raise InvalidInputError("beats must ascend")
        if not set(self.downbeats) <= set(self.beats):
            raise InvalidInputError("every downbeat must be one of the beats")

    @classmethod
    def of(cls, beats: npt.ArrayLike, downbeats: npt.ArrayLike) -> Beats:
        """With tempo and meter from the times alone (seconds; to the microsecond)."""
        times: Floats = np.unique(np.round(np.asarray(beats, np.float64), 6))
        first: Floats = np.unique(np.round(np.asarray(downbeats, np.float64), 6))
        return cls(tuple(times.tolist()), tuple(first.tolist()), tempo_of_beats(times), meter_of_beats(times, first))

    def numbers(self) -> tuple[int, ...]:
        """Each beat's number in its bar, 1 a downbeat; those before the first downbeat count up to it.

        As in beat_this, a pickup longer than `meter` counts from 2, and so do beats without any downbeat.
        """
        at = np.searchsorted(self.beats, self.downbeats)
        if not len(at):
            return tuple(range(2, len(self.beats) + 2))
        index = np.arange(len(self.beats))
        bar = np.searchsorted(at, index, side="right") - 1
        length = max(self.meter, int(at[0]) + 1)
        return tuple(np.where(bar >= 0, index - at[bar] + 1, length - at[0] + index + 1).tolist())


def tempo_of_beats(beats: npt.NDArray[np.float64]) -> float:
    """Beats a minute: the mean of the distances within a fifth of their (lower) median; 0.0 with fewer than two beats.

    The mean is finer than the median, which knows whole frames only; what lies further off is a beat too many or too
    few, or another tempo.
    """
    gaps = np.sort(np.diff(beats))
    if not len(gaps):
        return 0.0
    median = gaps[(len(gaps) - 1) // 2]
    return float(60 / gaps[np.abs(gaps / median - 1) <= _SAME_TEMPO].mean())


def meter_of_beats(beats: npt.NDArray[np.float64], downbeats: npt.NDArray[np.float64]) -> int:
    """The commonest number of beats from one downbeat to the next, the smallest of equals; 0 with fewer than two."""
    lengths = np.diff(np.searchsorted(beats, downbeats))
    return int(np.bincount(lengths).argmax()) if len(lengths) else 0


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

    def __call__(self, wave: npt.NDArray[np.float32], sample_rate: int) -> Beats:
        """A mono wave (samples,) of any rate and length to its beats; none where it is shorter than 0.1 s.

        Raises:
            InvalidInputError: a wave of another shape, or with samples that are not finite.
        """
        beats, downbeats = pick_beats(*self.logits(wave, sample_rate))
        return Beats.of(beats / FRAMES_PER_SECOND, downbeats / FRAMES_PER_SECOND)

    @torch.inference_mode()
    def logits(self, wave: npt.NDArray[np.float32], sample_rate: int) -> tuple[_Logits, _Logits]:
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
            heard = self._chunk(padded, start, min(start + self.config.chunk_frames, count + BORDER), count)
            out[:, start + BORDER : start + BORDER + heard.shape[1]] = heard
        return out[0], out[1]

    def _chunk(self, padded: npt.NDArray[np.float32], start: int, stop: int, count: int) -> npt.NDArray[np.float32]:
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
