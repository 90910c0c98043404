"""A training set to a novelty index: features of every clip, and what is usual within the training set.

The index is made beside its path and moved there when it is whole, so that a run that was stopped leaves none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from musicldm.data.manifest import PrepareSettings
from musicldm.errors import DataError, InvalidInputError
from musicldm.events import Listener, ignore
from musicldm.files import flush_file, is_refusal, scratch, write_whole
from musicldm.listeners.embedders import Embedder
from musicldm.novelty import vectors
from musicldm.novelty.calibration import Calibration
from musicldm.novelty.clips import IndexedClip
from musicldm.novelty.features import Cutting, Features, features_of
from musicldm.novelty.fingerprint import RATE
from musicldm.novelty.index import (
    FORMAT,
    MANIFEST,
    NoveltyIndex,
    about_embedder,
    describe_files,
    identity_of,
    open_index,
    write_features,
)
from musicldm.novelty.landmarks import build_landmarks
from musicldm.novelty.self_comparison import calibrate
from musicldm.novelty.training_clips import Beats, open_training_clips

_UNKNOWN = Calibration((0.0, 1.0), (0.0, 0.0), (0.0, 0.0), clips=0, fingerprinted=0, doubles=0.0)
"""Of an index that is not whole yet."""


@dataclass(frozen=True)
class BuildOptions:
    """How an index is made.

    Args:
        cutting: clips and segments; prepared data keep the length of their clips.
        beats: of audio that is not prepared: "metadata", "auto", "model" or "none", as in `musicldm prepare`.
        compact: whether it should be small (about 0.25 KB a clip instead of 3.6) rather than exact (cosines of whole
            clips to 0.0025, of segments to 0.012) and quick to open the first time.
        calibrated: clips whose fingerprints are compared with all others, at most.
        seed: which these are.
    """

    cutting: Cutting = field(default_factory=Cutting)
    beats: Beats = "metadata"
    compact: bool = False
    calibrated: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        PrepareSettings(seconds=self.cutting.seconds, beats=self.beats)
        if self.calibrated < 2:
            raise InvalidInputError(f"{self.calibrated} clips to calibrate by: at least 2 are needed")


def build_index(
    train: Path,
    out: Path,
    embedder: Embedder,
    options: BuildOptions | None = None,
    *,
    opened_as: str = "default",
    listen: Listener = ignore,
) -> NoveltyIndex:
    """Makes the index of a training set.

    Args:
        train: a folder that `musicldm prepare` made, or a folder or tar of audio.
        out: where the index goes; nothing may be there.
        embedder: that of the model, or another.
        options: see there.
        opened_as: the name to open the embedder by again.
        listen: gets progress.

    Raises:
        InvalidInputError: `out` is there already.
        DataError: no training set, or fewer than two clips in it.
        MissingDependencyError: faiss is not installed.
    """
    vectors.faiss()
    options, train, out = options or BuildOptions(), Path(train), Path(out)
    check_free(out)
    rate = max(RATE, embedder.identity.sample_rate)
    cutting, sounds, left_out = open_training_clips(train, options.cutting, options.beats, rate, listen)
    clips, features = [], []
    for sound in sounds:
        clips.append(sound.clip)
        features.append(features_of(sound.wave, sound.sample_rate, embedder, cutting))
    if len(clips) < 2:
        raise DataError(f"{train}: {len(clips)} clips that can be heard; an index needs at least 2")
    about = {
        "source": str(train.resolve()),
        "left_out": dict(left_out),
        "embedder": about_embedder(embedder, opened_as),
        "cutting": asdict(cutting),
        "compact": options.compact,
    }
    with _becoming(out) as folder:
        _write(folder, clips, features, options, about, listen)
    return open_index(out, verify=False)


def check_free(out: Path) -> None:
    """Raises InvalidInputError where an index cannot go, because something is there already."""
    if out.exists():
        raise InvalidInputError(f"{out} is there already: choose another place, an index is never overwritten")


def _write(
    folder: Path,
    clips: list[IndexedClip],
    features: list[Features],
    options: BuildOptions,
    about: dict[str, Any],
    listen: Listener,
) -> None:
    """All files of an index, the manifest last."""
    whole = np.stack([clip.whole for clip in features])
    segments = np.concatenate([clip.segments for clip in features])
    peaks, outlines = [clip.peaks for clip in features], [clip.outline for clip in features]
    write_features(folder, clips, (whole, segments), peaks, outlines, compact=options.compact)
    manifest = {
        "kind": "novelty index",
        "format": FORMAT,
        **about,
        **_counts(clips, features),
        "calibration": asdict(_UNKNOWN),
        "files": describe_files(folder),
        "identity": "",
    }
    _save(folder, manifest)
    index = open_index(folder, verify=False)
    # That of a compact index is kept under its identity, which it has not got yet.
    landmarks = build_landmarks(peaks) if options.compact else index.landmarks
    calibration = calibrate(index, landmarks, whole, outlines, options.calibrated, options.seed, listen)
    manifest |= {"calibration": asdict(calibration), "date": datetime.now(UTC).date().isoformat()}
    _save(folder, {**manifest, "identity": identity_of(json.loads(json.dumps(manifest)))})


def _counts(clips: list[IndexedClip], features: list[Features]) -> dict[str, int | float]:
    """What the manifest says of how much there is."""
    return {
        "clips": len(clips),
        "segments": sum(len(clip.segments) for clip in features),
        "peaks": sum(len(clip.peaks) for clip in features),
        "hours": round(sum(clip.seconds for clip in clips) / 3600, 4),
        "with_beats": sum(bool(clip.beats) for clip in clips),
    }


def _save(folder: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / MANIFEST, text)


@contextmanager
def _becoming(out: Path) -> Iterator[Path]:
    """A new folder that becomes `out`, whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with scratch(out) as folder:
        yield folder
        for path in folder.iterdir():
            flush_file(path)
        try:
            folder.rename(out)
        except OSError as error:
            if is_refusal(error):
                raise
            raise InvalidInputError(f"{out} is there already: choose another place") from None
