"""One source to its clips: sound of one length and level, log-mels, captions, beats."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from musicldm.audio import Wave
from musicldm.audio.mel import log_mel
from musicldm.data.manifest import HifiSpec, PrepareSettings
from musicldm.data.sounds import SILENCE, decode, decode_channels, level, like, peak
from musicldm.data.sources import Problem, Source
from musicldm.errors import DataError

FULL_SCALE = 32767
_BEATS = ("beats", "downbeats")


class TrackedBeats(Protocol):
    """What a beat tracker finds: seconds of beats and of downbeats, beats a minute, beats a bar; 0 where unknown."""

    @property
    def beats(self) -> Sequence[float] | npt.NDArray[Any]: ...
    @property
    def downbeats(self) -> Sequence[float] | npt.NDArray[Any]: ...
    @property
    def tempo(self) -> float: ...
    @property
    def meter(self) -> int: ...


Tracker = Callable[[Wave, int], TrackedBeats]
"""A wave and its rate in Hz to its beats."""


@dataclass(frozen=True)
class CutClip:
    """A clip: its entry in `clips.jsonl`, `wave` (samples,) int16 and `mel` (frames, bins) float16.

    `hifi` is (channels, samples) int16 where it is wanted.
    """

    row: dict[str, Any] = field(hash=False)
    wave: npt.NDArray[np.int16]
    mel: npt.NDArray[np.float16]
    hifi: npt.NDArray[np.int16] | None = None


def clips_of(
    source: Source, root: Path, settings: PrepareSettings, tracker: Tracker | None, scratch: Path
) -> Iterator[CutClip | Problem]:
    """The clips of a source one by one, and what is left out of it.

    Clips follow each other without overlap; the last one is padded with silence if at least half of it is there.

    Args:
        source: what to read.
        root: the folder that its path is below.
        settings: how.
        tracker: of beats; None where none are tracked.
        scratch: folder for a temporary file as large as the sound.

    Raises:
        OSError: the machine refuses, as in `decode`; or the file is no longer there.
        MissingDependencyError: PyAV is needed and not installed.
    """
    rate, samples = settings.spec.sample_rate, settings.samples
    try:
        with source.open(root) as file:
            wave, tags = decode(file, Path(source.name).suffix.lower(), rate, scratch)
        hifi = None if settings.hifi is None else _hifi(source, root, settings.hifi, scratch)
    except DataError as error:
        yield Problem(source.name, "corrupt", str(error))
        return
    if 2 * len(wave) < samples:
        needed = f"{len(wave) / rate:.2f} s: at least {samples / rate / 2:.2f} s needed"
        yield Problem(source.name, "too short", needed)
        return
    if peak(wave) < SILENCE:
        yield Problem(source.name, "silent", "peak below -60 dB")
        return
    levelled = level(wave.copy() if hifi is not None else wave, rate, settings.normalize)
    if hifi is not None and settings.normalize != "none":
        hifi = like(hifi, wave, levelled)
    wave = levelled
    source = with_tags(source, tags) if source.tagged else source
    source = with_beats(source, wave, settings, tracker)
    for start in range(0, len(wave) - (samples + 1) // 2 + 1, samples):
        clip = _clip(source, wave[start : start + samples], start, settings)
        if hifi is not None and isinstance(clip, CutClip):
            first, count = start // samples * settings.hifi_samples, settings.hifi_samples
            clip = replace(clip, hifi=_as_int16(hifi[first : first + count].T, count))
        yield clip


def _hifi(source: Source, root: Path, wanted: HifiSpec, scratch: Path) -> Wave:
    """The source's sound (n, channels) at the rate that is wanted beside that of log-mels."""
    with source.open(root) as file:
        suffix = Path(source.name).suffix.lower()
        return decode_channels(file, suffix, wanted.sample_rate, wanted.channels, scratch)[0]


def _as_int16(wave: Wave, count: int) -> npt.NDArray[np.int16]:
    """(..., n) to (..., count), with silence after it."""
    sound = np.zeros((*wave.shape[:-1], count), dtype=np.float32)
    sound[..., : wave.shape[-1]] = wave[..., :count]
    return np.round(np.clip(sound, -1, 1) * FULL_SCALE).astype(np.int16)


def _clip(source: Source, wave: Wave, start: int, settings: PrepareSettings) -> CutClip | Problem:
    import torch

    rate = settings.spec.sample_rate
    if peak(wave) < SILENCE:
        return Problem(source.name, "silent", "peak below -60 dB", start / rate)
    sound = np.zeros(settings.samples, dtype=np.float32)
    sound[: len(wave)] = wave
    row = {"source": source.name, "start": start / rate, "seconds": len(wave) / rate, "captions": source.captions}
    row |= {key: value for key, value in source.fields.items() if key not in row}
    length = settings.samples / rate
    for name in _BEATS:
        if name in source.fields:
            times = (time - start / rate for time in source.fields[name])
            row[name] = [round(time, 6) for time in times if 0 <= time < length]
    mel = log_mel(torch.from_numpy(sound), settings.spec).numpy().astype(np.float16)
    return CutClip(row, np.round(np.clip(sound, -1, 1) * FULL_SCALE).astype(np.int16), mel)


def with_tags(source: Source, tags: dict[str, str]) -> Source:
    """A source of a bare folder with its file's tags: genre into the caption, all into the fields.

    Titles and names of artists stay out of captions: they do not describe the sound.
    """
    words = [*re.split(r"\s*[,;/]\s*", tags.get("genre", "")), *source.captions]
    known = {word.lower(): word for word in reversed(words) if word}
    caption = ", ".join(reversed(known.values()))
    return replace(source, captions=(caption,), fields={**tags, **source.fields})


def with_beats(source: Source, wave: Wave, settings: PrepareSettings, tracker: Tracker | None) -> Source:
    """A source with `beats` and `downbeats` in seconds from where the settings say, or with neither.

    What is tracked also gives `tempo` in beats a minute, and `meter` in beats a bar where nothing else says it.
    """
    said = {name: source.fields.get(name) for name in _BEATS}
    known = settings.beats in ("auto", "metadata") and all(_are_times(times) for times in said.values())
    if known:
        return source
    fields = {key: value for key, value in source.fields.items() if key not in _BEATS}
    if settings.beats in ("none", "metadata"):
        return replace(source, fields=fields)
    assert tracker is not None, "beats are to be tracked, and nothing tracks them"
    estimate = tracker(wave, settings.spec.sample_rate)
    tracked = {name: [float(time) for time in getattr(estimate, name)] for name in _BEATS}
    about = {key: value for key in ("tempo", "meter") if (value := getattr(estimate, key))}
    if "meter" in fields:
        about.pop("meter", None)
    return replace(source, fields={**fields, **tracked, **about})


def _are_times(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(time, int | float) for time in value)


def load_tracker() -> Tracker:
    """The beat tracker that ships with the package."""
    from musicldm.beats.tracker import BeatTracker

    return BeatTracker.from_pretrained()
