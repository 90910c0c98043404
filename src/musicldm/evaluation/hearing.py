"""Clips to features: every clip is read once, and only small arrays of it are kept.

Conventions: a clip longer than `Listening.seconds` is heard in its middle; signal measures and tempo at the file's own
rate, embeddings at each embedder's, brought there by `musicldm.audio.resampling.resample`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from musicldm.audio import Wave
from musicldm.audio.resampling import resample
from musicldm.data.sounds import SILENCE
from musicldm.data.sources import Problem
from musicldm.errors import DataError, InvalidInputError
from musicldm.evaluation.metrics.signal import Signal, measure
from musicldm.evaluation.music import Piece, load_piece, prompt_inside
from musicldm.listeners.embedders import Embedder, Floats, open_embedder
from musicldm.listeners.judges import Judges
from musicldm.listeners.tempo import ANY_MUSIC, BeatStability, TempoRange, beat_stability, named_tempo, tempo_of
from musicldm.machine.parallel import Engine

if TYPE_CHECKING:
    from musicldm.beats.tracker import BeatTracker

SHORTEST = 1.0
"""Seconds that a clip must have: a VGGish piece is 0.975 s."""
_UNIT = 16
_TEMPO_SECONDS = 3.0


@dataclass(frozen=True)
class Listening:
    """What is heard in each clip.

    Args:
        embedders: names for `open_embedder`.
        judges: folder of judges; None for none.
        beats: name of a beat tracker; None for none.
        sound: whether signal measures, tempo and beats are taken at all.
        seconds: of which a longer clip's middle is heard.
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
class Heard:
    """What is kept of a clip.

    Attributes:
        piece: with its prompt, where there is one.
        seconds: length of the whole file.
        signal: measures; None where not asked for.
        tempo: by librosa in BPM where the clip's prompt or fields name one, nan where nothing recurs; else None.
        tracked: by the beat tracker in BPM, nan with fewer than two beats; None without a tracker.
        stability: of its beats; None without a tracker or with too few beats.
        embeddings: (D,) by embedder.
        frames: (T, D) by embedder, of those that hear pieces.
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
        return wanted_tempo(self.piece)


def wanted_tempo(piece: Piece) -> float | None:
    """The tempo in BPM that a clip's prompt or its metadata name."""
    named = named_tempo(piece.prompt) if piece.prompt else None
    stored = piece.fields.get("bpm")
    return named or (float(stored) if isinstance(stored, int | float) and stored > 0 else None)


@lru_cache(maxsize=16)
def opened(name: str, device: str) -> Embedder:
    """An embedder, opened once in a process."""
    return open_embedder(name, device=device)


@lru_cache(maxsize=2)
def opened_judges(folder: str) -> Judges:
    """Judges, loaded once in a process."""
    return Judges.load(folder)


@lru_cache(maxsize=2)
def _tracker(name: str, device: str) -> BeatTracker:
    from musicldm.beats.tracker import BeatTracker
    from musicldm.machine.devices import choose_device

    return BeatTracker.from_pretrained(name, device=choose_device(device))


def hear_all(
    pieces: Sequence[Piece],
    listening: Listening,
    engine: Engine,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Heard | Problem]:
    """What is heard in each clip, in their order; why a clip is left out.

    Raises:
        CheckpointError: an embedder, judges or tracker that cannot be loaded.
        MissingDependencyError: a tempo is asked for and librosa is not installed.
    """
    units = [pieces[start : start + _UNIT] for start in range(0, len(pieces), _UNIT)]
    early: dict[int, list[Heard | Problem]] = {}
    following, done = 0, 0
    for number, found in engine(partial(hear_unit, listening=listening), units):
        early[number], done = found, done + len(found)
        if progress is not None:
            progress(done, len(pieces))
        while following in early:
            yield from early.pop(following)
            following += 1


def hear_unit(pieces: Sequence[Piece], listening: Listening) -> list[Heard | Problem]:
    """What is heard in a few clips, which share the networks' batches where they are equally long."""
    found: list[Heard | Problem] = []
    waves: dict[int, tuple[Wave, int]] = {}
    for number, piece in enumerate(pieces):
        try:
            wave, rate, seconds = load_piece(piece, listening.seconds)
            _check_audible(wave, rate)
        except _Unfit as error:
            found.append(Problem(piece.name, *error.args))
            continue
        except DataError as error:
            found.append(Problem(piece.name, "unreadable", str(error)))
            continue
        piece = replace(piece, prompt=prompt_inside(piece)) if piece.prompt is None else piece
        waves[number] = wave, rate
        found.append(Heard(piece, seconds, measure(wave, rate) if listening.sound else None))
    for name in listening.embedders:
        _embed(name, opened(name, listening.device), waves, found)
    if listening.judges is not None:
        _judge(opened_judges(listening.judges), waves, found)
    if listening.sound:
        for number, (wave, rate) in waves.items():
            found[number] = _with_rhythm(found[number], wave, rate, listening)
    return found


class _Unfit(Exception):
    """Reason and detail of a clip that is left out."""


def _check_audible(wave: Wave, rate: int) -> None:
    if not np.isfinite(wave).all():
        raise _Unfit("not finite", "it holds samples that are not finite")
    if len(wave) < SHORTEST * rate:
        raise _Unfit("too short", f"{len(wave) / rate:.2f} s: at least {SHORTEST:g} s")
    peak = float(np.abs(wave).max())
    if peak < SILENCE:
        level = f"{20 * math.log10(peak):.0f} dB" if peak else "0"
        raise _Unfit("silent", f"peak {level} of full scale: above {20 * math.log10(SILENCE):.0f} dB")


def _batches(waves: Mapping[int, tuple[Wave, int]], rate: int) -> Iterator[tuple[list[int], Floats]]:
    """Numbers of clips, and their waves (B, samples) at a rate: those of equal length together."""
    groups: dict[int, list[tuple[int, Wave]]] = {}
    for number, (wave, own) in waves.items():
        sound = resample(wave, own, rate)
        groups.setdefault(len(sound), []).append((number, sound))
    for group in groups.values():
        yield [number for number, _ in group], np.stack([sound for _, sound in group])


def _embed(name: str, embedder: Embedder, waves: Mapping[int, tuple[Wave, int]], found: list[Heard | Problem]) -> None:
    for numbers, batch in _batches(waves, embedder.identity.sample_rate):
        frames = None if embedder.frames is None else embedder.frames(batch)
        vectors = embedder.audio(batch) if frames is None else frames.mean(axis=1)
        classes = None if embedder.classes is None else embedder.classes(batch)
        for place, number in enumerate(numbers):
            one = found[number]
            assert isinstance(one, Heard)
            found[number] = replace(
                one,
                embeddings={**one.embeddings, name: vectors[place]},
                frames=one.frames if frames is None else {**one.frames, name: frames[place]},
                classes=one.classes if classes is None else {**one.classes, name: classes[place]},
            )


def _judge(judges: Judges, waves: Mapping[int, tuple[Wave, int]], found: list[Heard | Problem]) -> None:
    for numbers, batch in _batches(waves, judges.spec.sample_rate):
        verdict = judges(batch)
        best = {head: verdict.best(head) for head in verdict.classes}
        for place, number in enumerate(numbers):
            one = found[number]
            assert isinstance(one, Heard)
            tempo = one.tempo
            if wanted_tempo(one.piece) is not None and judges.card.get("tempi"):
                tempo = _tempo(*waves[number], judges.tempo_prior(verdict, place))
            found[number] = replace(one, verdict={head: names[place] for head, names in best.items()}, tempo=tempo)


def _with_rhythm(one: Heard | Problem, wave: Wave, rate: int, listening: Listening) -> Heard:
    """With tempo, unless the judges' genre helped to it already, and beats."""
    assert isinstance(one, Heard)
    tempo = one.tempo
    if tempo is None and wanted_tempo(one.piece) is not None:
        tempo = _tempo(wave, rate)
    if listening.beats is None:
        return replace(one, tempo=tempo)
    found = _tracker(listening.beats, listening.device)(wave, rate)
    return replace(one, tempo=tempo, tracked=found.tempo or math.nan, stability=beat_stability(found.beats))


def _tempo(wave: Wave, rate: int, prior: Sequence[TempoRange] = (ANY_MUSIC,)) -> float:
    return tempo_of(wave, rate, prior) if len(wave) >= _TEMPO_SECONDS * rate else math.nan
