"""A training set to its clips, with their sound: prepared data as they are, other audio decoded and cut."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from musicldm.audio.mel import MelSpec
from musicldm.data.cutting import Tracker, load_tracker, with_beats
from musicldm.data.manifest import MANIFEST as PREPARED
from musicldm.data.manifest import PrepareSettings
from musicldm.data.sounds import SILENCE, decode, peak
from musicldm.data.sources import Problem, Source, look_through
from musicldm.data.store import ClipStore
from musicldm.errors import DataError, MissingDependencyError
from musicldm.events import Listener, Progress
from musicldm.novelty.clips import ClipSound, IndexedClip
from musicldm.novelty.features import SHORTEST, Cutting

Beats = Literal["auto", "model", "metadata", "none"]
"""Where beats come from, as in `musicldm prepare`."""


def open_training_clips(
    train: Path, cutting: Cutting, beats: Beats, rate: int, listen: Listener
) -> tuple[Cutting, Iterator[ClipSound], Counter[str]]:
    """The clips of a training set.

    Args:
        train: prepared data, or a folder or tar of audio.
        cutting: length of clips and segments; prepared data keep the length of their clips.
        beats: where those of audio that is not prepared come from.
        rate: in Hz, at which audio that is not prepared is decoded.
        listen: gets progress, in clips of prepared data or in files.

    Returns:
        The cutting as it is for this training set, the clips, and how many were left out for which reason, which is
        known once the clips are all taken.
    """
    left_out: Counter[str] = Counter()
    if (train / PREPARED).is_file():
        store = ClipStore(train)
        seconds = store.waves.shape[1] / store.spec.sample_rate
        known = Cutting(seconds, min(cutting.segment, seconds), min(cutting.hop, seconds))
        return known, _prepared(store, listen), left_out
    settings = PrepareSettings(MelSpec(sample_rate=rate), cutting.seconds, "none", beats)
    return cutting, _decoded(train, settings, left_out, listen), left_out


def _prepared(store: ClipStore, listen: Listener) -> Iterator[ClipSound]:
    rate = store.spec.sample_rate
    for number, row in enumerate(store.rows):
        clip = IndexedClip.of(row.fields)
        yield ClipSound(clip, store.wave(number)[: round(clip.seconds * rate)], rate)
        listen(Progress(number + 1, len(store), "Listening"))


def _decoded(train: Path, settings: PrepareSettings, left_out: Counter[str], listen: Listener) -> Iterator[ClipSound]:
    """The clips of audio that is not prepared."""
    beat_tracker = load_tracker() if settings.beats in ("auto", "model") else None
    listing = look_through(train)
    root = train.parent if train.is_file() else train
    with tempfile.TemporaryDirectory() as room:
        for number, source in enumerate(listing.sources):
            parts = [source] if isinstance(source, Problem) else _cut(source, root, settings, beat_tracker, Path(room))
            for part in parts:
                if isinstance(part, Problem):
                    left_out[part.reason] += 1
                else:
                    yield part
            listen(Progress(number + 1, listing.files, "Listening"))


def _cut(
    source: Source, root: Path, settings: PrepareSettings, beat_tracker: Tracker | None, scratch: Path
) -> Iterator[ClipSound | Problem]:
    """The clips of a source one after the other; unlike `musicldm prepare` it keeps every end of at least a second."""
    rate = settings.spec.sample_rate
    try:
        with source.open(root) as file:
            wave, _ = decode(file, Path(source.name).suffix.lower(), rate, scratch)
    except (DataError, MissingDependencyError) as error:
        yield Problem(source.name, "corrupt" if isinstance(error, DataError) else "unreadable", str(error))
        return
    fields = with_beats(source, wave, settings, beat_tracker).fields
    samples = round(settings.seconds * rate)
    for first in range(0, len(wave), samples):
        part = np.array(wave[first : first + samples])
        start, seconds = first / rate, len(part) / rate
        if seconds < SHORTEST and first:
            return
        if seconds < SHORTEST or peak(part) < SILENCE:
            yield Problem(source.name, "too short" if seconds < SHORTEST else "silent", start=start)
            continue
        inside = {
            name: [round(time - start, 6) for time in fields.get(name) or () if start <= time < start + seconds]
            for name in ("beats", "downbeats")
        }
        yield ClipSound(
            IndexedClip.of({"source": source.name, "start": start, "seconds": seconds, **inside}), part, rate
        )
