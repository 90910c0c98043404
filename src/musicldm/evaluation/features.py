"""Clips to features: every clip is read once, and only small arrays of it are kept.

Conventions: of a clip longer than `FeatureOptions.seconds` only the middle is used; signal measures and tempo are taken
at the file's own rate, embeddings at each embedder's, resampled by `musicldm.audio.resampling.resample`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from musicldm.audio import Wave
from musicldm.audio.resampling import resample
from musicldm.data.sounds import SILENCE
from musicldm.data.sources import Problem
from musicldm.errors import DataError, InvalidInputError
from musicldm.evaluation.clips import Piece, load_piece, prompt_inside
from musicldm.evaluation.metrics.beat_stability import BeatStability, beat_stability
from musicldm.evaluation.metrics.signal import Signal, measure
from musicldm.evaluation.prompts import named_tempo
from musicldm.events import Listener, Progress, ignore
from musicldm.listeners.embedders import Embedder, Floats, open_embedder
from musicldm.listeners.judges import Judges
from musicldm.listeners.tempo import ANY_MUSIC, TempoRange, tempo_of
from musicldm.machine.parallel import WorkerPool

if TYPE_CHECKING:
    from musicldm.beats.tracker import BeatTracker

SHORTEST = 1.0
"""Seconds that a clip must have: a VGGish piece is 0.975 s."""
_GROUP = 16
_TEMPO_SECONDS = 3.0


@dataclass(frozen=True)
class FeatureOptions:
    """What is extracted from each clip.

    Args:
        embedders: names for `open_embedder`.
        judges: folder of judges; None for none.
        beats: name of a beat tracker; None for none.
        sound: whether signal measures, tempo and beats are taken at all.
        seconds: of a longer clip only the middle of this length is used.
        device: for the networks.

    Raises:
        InvalidInputError: seconds below `SHORTEST`.
    """

    embedders: tuple[str, ...] = ()
    judges: str | None = None
    beats: str | None = None
    sound: bool = True
    seconds: float = 30.0
    device: str = "auto"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds >= SHORTEST):
            raise InvalidInputError(f"seconds {self.seconds:g}: at least {SHORTEST:g}")


@dataclass(frozen=True)
class ClipFeatures:
    """What is kept of a clip.

    Attributes:
        piece: with its prompt, where there is one.
        seconds: length of the whole file.
        signal: measures; None where not asked for.
        tempo: by librosa in BPM where the clip's prompt or fields name one, nan where nothing recurs; else None.
        tracked: by the beat tracker in BPM, nan with fewer than two beats; None without a tracker.
        stability: of its beats; None without a tracker or with too few beats.
        embeddings: (D,) by embedder.
        frames: (T, D) by embedder, of those that embed short pieces.
        classes: probabilities (K,) by embedder, of those that have classes.
        verdict: the judges' likeliest class by head.
    """

    piece: Piece
    seconds: float
    signal: Signal | None = None
    tempo: float | None = None
    tracked: float | None = None
    stability: BeatStability | None = None
    embeddings: Mapping[str, Floats] = field(default_factory=dict)
    frames: Mapping[str, Floats] = field(default_factory=dict)
    classes: Mapping[str, Floats] = field(default_factory=dict)
    verdict: Mapping[str, str] = field(default_factory=dict)

    @property
    def bpm(self) -> float | None:
        """The tempo that was asked for: that of the prompt where it names one, else the metadata's."""
        return asked_tempo(self.piece)


def asked_tempo(piece: Piece) -> float | None:
    """The tempo in BPM that a clip's prompt or its metadata name."""
    named = named_tempo(piece.prompt) if piece.prompt else None
    stored = piece.fields.get("bpm")
    return named or (float(stored) if isinstance(stored, int | float) and stored > 0 else None)


@lru_cache(maxsize=16)
def embedder_of(name: str, device: str) -> Embedder:
    """An embedder, opened once in a process."""
    return open_embedder(name, device=device)


@lru_cache(maxsize=2)
def judges_of(folder: str) -> Judges:
    """Judges, loaded once in a process."""
    return Judges.load(folder)


@lru_cache(maxsize=2)
def _beat_tracker_of(name: str, device: str) -> BeatTracker:
    from musicldm.beats.tracker import BeatTracker
    from musicldm.machine.devices import choose_device

    return BeatTracker.from_pretrained(name, device=choose_device(device))


def extract_all(
    pieces: Sequence[Piece],
    options: FeatureOptions,
    pool: WorkerPool,
    listen: Listener = ignore,
    what: str = "Listening",
) -> Iterator[ClipFeatures | Problem]:
    """The features of each clip, in their order, or why a clip is left out.

    Args:
        pieces: the clips.
        options: what is extracted.
        pool: where the work is done.
        listen: gets progress, in clips.
        what: these clips are, for progress.

    Raises:
        CheckpointError: an embedder, judges or tracker that cannot be loaded.
        MissingDependencyError: a tempo is asked for and librosa is not installed.
    """
    groups = [pieces[start : start + _GROUP] for start in range(0, len(pieces), _GROUP)]
    early: dict[int, list[ClipFeatures | Problem]] = {}
    following, done = 0, 0
    for number, results in pool(partial(extract_group, options=options), groups):
        early[number], done = results, done + len(results)
        listen(Progress(done, len(pieces), what))
        while following in early:
            yield from early.pop(following)
            following += 1


def extract_group(pieces: Sequence[Piece], options: FeatureOptions) -> list[ClipFeatures | Problem]:
    """As `extract_all` for a few clips, which share the networks' batches where they are equally long."""
    results: dict[int, ClipFeatures | Problem] = {}
    features: dict[int, ClipFeatures] = {}
    waves: dict[int, tuple[Wave, int]] = {}
    for number, piece in enumerate(pieces):
        loaded = _load(piece, options.seconds)
        if isinstance(loaded, Problem):
            results[number] = loaded
            continue
        wave, rate, seconds = loaded
        piece = replace(piece, prompt=prompt_inside(piece)) if piece.prompt is None else piece
        waves[number] = wave, rate
        features[number] = ClipFeatures(piece, seconds, measure(wave, rate) if options.sound else None)
    for name in options.embedders:
        _add_embeddings(name, embedder_of(name, options.device), waves, features)
    if options.judges is not None:
        _add_verdicts(judges_of(options.judges), waves, features)
    if options.sound:
        for number, (wave, rate) in waves.items():
            features[number] = _with_rhythm(features[number], wave, rate, options)
    return [results[number] if number in results else features[number] for number in range(len(pieces))]


def _load(piece: Piece, seconds: float) -> tuple[Wave, int, float] | Problem:
    """Wave, rate and length of a clip, or why it is left out."""
    try:
        wave, rate, length = load_piece(piece, seconds)
    except DataError as error:
        return Problem(piece.name, "unreadable", str(error))
    fault = _fault(wave, rate)
    return (wave, rate, length) if fault is None else Problem(piece.name, *fault)


def _fault(wave: Wave, rate: int) -> tuple[str, str] | None:
    """Reason and detail why a wave is left out; None where it is not."""
    if not np.isfinite(wave).all():
        return "not finite", "it holds samples that are not finite"
    if len(wave) < SHORTEST * rate:
        return "too short", f"{len(wave) / rate:.2f} s: at least {SHORTEST:g} s"
    peak = float(np.abs(wave).max())
    if peak < SILENCE:
        level = f"{20 * math.log10(peak):.0f} dB" if peak else "0"
        return "silent", f"peak {level} of full scale: above {20 * math.log10(SILENCE):.0f} dB"
    return None


def _batches(waves: Mapping[int, tuple[Wave, int]], rate: int) -> Iterator[tuple[list[int], Floats]]:
    """Numbers of clips, and their waves (B, samples) at a rate: those of equal length together."""
    groups: dict[int, list[tuple[int, Wave]]] = {}
    for number, (wave, own) in waves.items():
        sound = resample(wave, own, rate)
        groups.setdefault(len(sound), []).append((number, sound))
    for group in groups.values():
        yield [number for number, _ in group], np.stack([sound for _, sound in group])


def _add_embeddings(
    name: str, embedder: Embedder, waves: Mapping[int, tuple[Wave, int]], features: dict[int, ClipFeatures]
) -> None:
    for numbers, batch in _batches(waves, embedder.identity.sample_rate):
        frames = None if embedder.frames is None else embedder.frames(batch)
        vectors = embedder.audio(batch) if frames is None else frames.mean(axis=1)
        classes = None if embedder.classes is None else embedder.classes(batch)
        for row, number in enumerate(numbers):
            clip = features[number]
            features[number] = replace(
                clip,
                embeddings={**clip.embeddings, name: vectors[row]},
                frames=clip.frames if frames is None else {**clip.frames, name: frames[row]},
                classes=clip.classes if classes is None else {**clip.classes, name: classes[row]},
            )


def _add_verdicts(judges: Judges, waves: Mapping[int, tuple[Wave, int]], features: dict[int, ClipFeatures]) -> None:
    for numbers, batch in _batches(waves, judges.spec.sample_rate):
        verdict = judges(batch)
        best = {head: verdict.best(head) for head in verdict.classes}
        for row, number in enumerate(numbers):
            clip = features[number]
            tempo = clip.tempo
            if clip.bpm is not None and judges.card.get("tempi"):
                tempo = _tempo(*waves[number], judges.tempo_prior(verdict, row))
            features[number] = replace(clip, verdict={head: names[row] for head, names in best.items()}, tempo=tempo)


def _with_rhythm(clip: ClipFeatures, wave: Wave, rate: int, options: FeatureOptions) -> ClipFeatures:
    """With beats, and with tempo unless it was estimated already with the help of the judges' genre."""
    tempo = clip.tempo
    if tempo is None and clip.bpm is not None:
        tempo = _tempo(wave, rate)
    if options.beats is None:
        return replace(clip, tempo=tempo)
    beats = _beat_tracker_of(options.beats, options.device)(wave, rate)
    return replace(clip, tempo=tempo, tracked=beats.tempo or math.nan, stability=beat_stability(beats.beats))


def _tempo(wave: Wave, rate: int, prior: Sequence[TempoRange] = (ANY_MUSIC,)) -> float:
    return tempo_of(wave, rate, prior) if len(wave) >= _TEMPO_SECONDS * rate else math.nan
