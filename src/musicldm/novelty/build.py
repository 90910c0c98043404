"""A training set to a novelty index: every clip is heard once, and the training set is compared with itself.

The index is made beside its place and moved there when it is whole, so that a run that was stopped leaves none.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from musicldm.audio.mel import MelSpec
from musicldm.data.cutting import Tracker, load_tracker, with_beats
from musicldm.data.manifest import MANIFEST as PREPARED
from musicldm.data.manifest import PrepareSettings
from musicldm.data.sounds import SILENCE, decode, peak
from musicldm.data.sources import Problem, Source, look_through
from musicldm.data.store import ClipStore
from musicldm.errors import DataError, InvalidInputError, MissingDependencyError
from musicldm.files import flush_file, is_refusal, scratch, write_whole
from musicldm.listeners.embedders import Embedder, Floats
from musicldm.novelty import vectors
from musicldm.novelty.agreement import best_agreement
from musicldm.novelty.calibration import Calibration
from musicldm.novelty.clips import Clip, Sound
from musicldm.novelty.features import SHORTEST, Cutting, Features, listen
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
from musicldm.novelty.landmarks import Landmarks, build_landmarks
from musicldm.novelty.outline import Outline, best_outlined

Progress = Callable[[int, int, str], None]
_BLOCK = 512
_MOST_OF_A_SOURCE = 64


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
    beats: Literal["auto", "model", "metadata", "none"] = "metadata"
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
    progress: Progress | None = None,
) -> NoveltyIndex:
    """Makes the index of a training set.

    Args:
        train: a folder that `musicldm prepare` made, or a folder or tar of audio.
        out: where the index goes; nothing may be there.
        embedder: that of the model, or another.
        options: see there.
        opened_as: the name to open the embedder by again.
        progress: called with how much is done, of how much, and of what.

    Raises:
        InvalidInputError: `out` is there already.
        DataError: no training set, or fewer than two clips in it.
        MissingDependencyError: faiss is not installed.
    """
    vectors.faiss()
    options, tell = options or BuildOptions(), progress or (lambda *_: None)
    out = Path(out)
    check_place(out)
    options, sounds, left_out = _open_training_set(Path(train), options, max(RATE, embedder.identity.sample_rate), tell)
    clips, features = [], []
    for sound in sounds:
        clips.append(sound.clip)
        features.append(listen(sound.wave, sound.sample_rate, embedder, options.cutting))
    if len(clips) < 2:
        raise DataError(f"{train}: {len(clips)} clips that can be heard; an index needs at least 2")
    with _becoming(out) as folder:
        _write(
            folder,
            clips,
            features,
            options,
            tell,
            source=str(Path(train).resolve()),
            left_out=dict(left_out),
            embedder=about_embedder(embedder, opened_as),
        )
    return open_index(out, verify=False)


def check_place(out: Path) -> None:
    """Raises InvalidInputError where an index cannot go, because something is there."""
    if out.exists():
        raise InvalidInputError(f"{out} is there already: choose another place, an index is never overwritten")


def _write(
    folder: Path, clips: list[Clip], features: list[Features], options: BuildOptions, tell: Progress, **about: Any
) -> None:
    """All files of an index, the manifest last."""
    whole = np.stack([one.whole for one in features])
    segments = np.concatenate([one.segments for one in features])
    peaks, outlines = [one.peaks for one in features], [one.outline for one in features]
    write_features(folder, clips, (whole, segments), peaks, outlines, compact=options.compact)
    manifest: dict[str, Any] = {
        "kind": "novelty index",
        "format": FORMAT,
        **about,
        "cutting": asdict(options.cutting),
        "compact": options.compact,
        "clips": len(clips),
        "segments": len(segments),
        "peaks": sum(map(len, peaks)),
        "hours": round(sum(clip.seconds for clip in clips) / 3600, 4),
        "with_beats": sum(bool(clip.beats) for clip in clips),
        "calibration": {
            "similarities": [0.0, 1.0],
            "evidence": [0.0, 0.0],
            "outlined": [0.0, 0.0],
            "clips": 0,
            "fingerprinted": 0,
            "doubles": 0.0,
        },
        "files": describe_files(folder),
        "identity": "",
    }
    _save(folder, manifest)
    index = open_index(folder, verify=False)
    # That of a compact index is kept under its identity, which it has not got yet.
    landmarks = build_landmarks(peaks) if options.compact else index.landmarks
    calibration = calibrate(index, landmarks, whole, outlines, options, tell)
    manifest |= {"calibration": asdict(calibration), "date": datetime.now(UTC).date().isoformat()}
    _save(folder, {**manifest, "identity": identity_of(json.loads(json.dumps(manifest)))})


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


def _open_training_set(
    train: Path, options: BuildOptions, rate: int, tell: Progress
) -> tuple[BuildOptions, Iterator[Sound], Counter[str]]:
    """The options as they are for this training set, its sounds, and how many were left out for which reason."""
    left_out: Counter[str] = Counter()
    if (train / PREPARED).is_file():
        store = ClipStore(train)
        seconds = store.waves.shape[1] / store.spec.sample_rate
        cutting = Cutting(seconds, min(options.cutting.segment, seconds), min(options.cutting.hop, seconds))
        known = BuildOptions(cutting, "metadata", options.compact, options.calibrated, options.seed)
        return known, _prepared(store, tell), left_out
    return options, _raw(train, options, rate, left_out, tell), left_out


def _prepared(store: ClipStore, tell: Progress) -> Iterator[Sound]:
    rate = store.spec.sample_rate
    for number, row in enumerate(store.rows):
        clip = Clip.of(row.fields)
        yield Sound(clip, store.wave(number)[: round(clip.seconds * rate)], rate)
        tell(number + 1, len(store), "Listening")


def _raw(train: Path, options: BuildOptions, rate: int, left_out: Counter[str], tell: Progress) -> Iterator[Sound]:
    """The clips of audio that is not prepared, decoded at `rate` Hz."""
    settings = PrepareSettings(MelSpec(sample_rate=rate), options.cutting.seconds, "none", options.beats)
    tracker = load_tracker() if options.beats in ("auto", "model") else None
    listing = look_through(train)
    root = train.parent if train.is_file() else train
    with tempfile.TemporaryDirectory() as room:
        for number, source in enumerate(listing.sources):
            found = [source] if isinstance(source, Problem) else _cut(source, root, settings, tracker, Path(room))
            for one in found:
                if isinstance(one, Problem):
                    left_out[one.reason] += 1
                else:
                    yield one
            tell(number + 1, listing.files, "Listening")


def _cut(
    source: Source, root: Path, settings: PrepareSettings, tracker: Tracker | None, scratch: Path
) -> Iterator[Sound | Problem]:
    """The clips of a source one after the other; unlike `musicldm prepare` it keeps every end of at least a second."""
    rate = settings.spec.sample_rate
    try:
        with source.open(root) as file:
            wave, _ = decode(file, Path(source.name).suffix.lower(), rate, scratch)
    except (DataError, MissingDependencyError) as error:
        yield Problem(source.name, "corrupt" if isinstance(error, DataError) else "unreadable", str(error))
        return
    fields = with_beats(source, wave, settings, tracker).fields
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
        yield Sound(Clip.of({"source": source.name, "start": start, "seconds": seconds, **inside}), part, rate)


def calibrate(
    index: NoveltyIndex,
    landmarks: Landmarks,
    whole: Floats,
    outlines: list[Outline],
    options: BuildOptions,
    tell: Progress,
) -> Calibration:
    """Compares training clips with the others, but for those of the same file.

    Args:
        index: of them.
        landmarks: its inverted file.
        whole: (n, D) their embeddings.
        outlines: every step of them.
        options: how many are compared.
        tell: called with how far it is.
    """
    sources: dict[str, list[int]] = {}
    for number, clip in enumerate(index.clips):
        sources.setdefault(clip.source, []).append(number)
    if len(sources) < 2:
        raise DataError("all clips are of one file: an index needs clips of at least 2 to know what is usual")
    rng = np.random.default_rng(options.seed)
    chosen = rng.permutation(len(index.clips))[: options.calibrated]
    evidence, outlined = np.zeros(len(chosen)), np.zeros(len(chosen))
    for place, number in enumerate(chosen.tolist()):
        same = sources[index.clips[number].source]
        found = best_agreement(index.peaks[number], landmarks, index.peaks.__getitem__, same)
        evidence[place] = 0.0 if found is None else found.evidence
        alike = best_outlined(outlines[number], index.words, index.outlines.__getitem__, same)
        outlined[place] = 0.0 if alike is None else alike.score
        tell(place + 1, len(chosen), "Comparing the training set with itself")
    return Calibration.of(_nearest_others(index, whole, sources), evidence, outlined)


def _nearest_others(index: NoveltyIndex, whole: Floats, sources: dict[str, list[int]]) -> npt.NDArray[np.float64]:
    """The largest cosine (n,) of each clip with one of another file.

    Where the 64 nearest are all of its own file, the cosine of the last of them: no other can be nearer.
    """
    source = np.zeros(len(index.clips), np.int64)
    for number, members in enumerate(sources.values()):
        source[members] = number
    count = min(1 + max(map(len, sources.values())), _MOST_OF_A_SOURCE)
    out = np.zeros(len(whole))
    for start in range(0, len(whole), _BLOCK):
        block = whole[start : start + _BLOCK]
        squared, numbers = vectors.nearest(index.whole, index.projection(block), count)
        cosines = index.projection.cosines(block, squared)
        others = source[numbers] != source[start : start + len(block), None]
        others[:, -1] = True
        out[start : start + len(block)] = np.take_along_axis(cosines, others.argmax(axis=1)[:, None], axis=1)[:, 0]
    return out
