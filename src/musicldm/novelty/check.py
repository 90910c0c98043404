"""How new a piece of music is: its nearest training clips, what it may have copied, and a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from musicldm.audio import Wave
from musicldm.errors import InvalidInputError
from musicldm.listeners.embedders import Embedder
from musicldm.novelty.agreement import best_agreement
from musicldm.novelty.clips import IndexedClip
from musicldm.novelty.features import Features, features_of
from musicldm.novelty.fingerprint import FRAMES_PER_SECOND
from musicldm.novelty.index import NoveltyIndex
from musicldm.novelty.outline import STEPS_PER_SECOND, best_outlined


@dataclass(frozen=True)
class TrainingPassage:
    """A passage of a training file.

    Args:
        source: name of the file.
        start: second of the file.
        end: second of the file.
        bars: where that is in the clip that was indexed, in bars from its first downbeat, which is 1; None where its
            beats are not known.
    """

    source: str
    start: float
    end: float
    bars: tuple[float, float] | None


@dataclass(frozen=True)
class Likeness:
    """A part of the music in seconds, the training passage that is most similar, and their cosine."""

    start: float
    end: float
    place: TrainingPassage
    similarity: float


@dataclass(frozen=True)
class Copied:
    """The training passage whose note onsets, or else whose outline, agree most.

    Args:
        by: "onsets" or "outline", whichever tells more.
        start: second of the music.
        end: second of the music.
        place: where that comes from.
        strength: of what tells it, above 1 a copy.
        evidence: nats that the onsets are copied, against chance; of outlines their score, see `Outlined`.
        share: of the onsets that are copied, chance taken off, 0 to 1; of outlines the share of bits that agree.
        semitones: that the music lies above the passage; 0 by outline.
        stretch: seconds of the music for a second of the passage; 1 by outline.
    """

    by: Literal["onsets", "outline"]
    start: float
    end: float
    place: TrainingPassage
    strength: float
    evidence: float
    share: float
    semitones: int = 0
    stretch: float = 1.0


@dataclass(frozen=True)
class NoveltyReport:
    """How new a piece of music is.

    Args:
        verdict: "copy", "very close", "close" or "new".
        sentence: the same in words, with the reason.
        similarity: largest cosine of a whole clip's embedding with a training clip's.
        percentile: per cent of the training clips that have less in common with their nearest other one.
        nearest: the most similar training clips, whole against whole.
        passages: for each segment the most similar training segment.
        copied: the strongest agreement of onsets or outlines, copy or chance; None where there is none.
        index: identity of the index.
    """

    verdict: str
    sentence: str
    similarity: float
    percentile: float
    nearest: tuple[Likeness, ...]
    passages: tuple[Likeness, ...]
    copied: Copied | None
    index: str


def check(index: NoveltyIndex, wave: Wave, sample_rate: int, embedder: Embedder, count: int = 5) -> NoveltyReport:
    """Compares a wave (samples,) of any rate and length with the training set.

    Args:
        index: of the training set.
        wave: at least a second; what is longer than the index' clips is cut into overlapping pieces of that length.
        sample_rate: in Hz.
        embedder: that of the index, see `NoveltyIndex.embedder`.
        count: of the nearest clips to tell.

    Raises:
        InvalidInputError: a wave that is too short, or a count below 1.
    """
    starts = index.cutting.pieces(len(wave) / sample_rate)
    length = round(index.cutting.seconds * sample_rate)
    firsts = [round(start * sample_rate) for start in starts]
    pieces = [features_of(wave[first : first + length], sample_rate, embedder, index.cutting) for first in firsts]
    return check_features(index, pieces, starts, count)


def check_features(
    index: NoveltyIndex, pieces: Sequence[Features], starts: Sequence[float] = (0.0,), count: int = 5
) -> NoveltyReport:
    """As `check`, from the features of the pieces and where they begin, in seconds."""
    if count < 1:
        raise InvalidInputError(f"{count} nearest clips: at least 1")
    near: list[Likeness] = []
    passages: list[Likeness] = []
    copies: list[Copied | None] = []
    for piece, start in zip(pieces, starts, strict=True):
        near += _nearest(index, piece, start, count)
        passages += _passages(index, piece, start)
        copies += [_by_onsets(index, piece, start), _by_outline(index, piece, start)]
    near = sorted(near, key=lambda likeness: -likeness.similarity)[:count]
    copied = max(filter(None, copies), key=lambda copy: copy.strength, default=None)
    similarity = near[0].similarity
    verdict = index.calibration.verdict(similarity, 0.0 if copied is None else copied.strength)
    percentile = index.calibration.percentile(similarity)
    sentence = _sentence(verdict, percentile, near[0], copied)
    return NoveltyReport(
        verdict, sentence, similarity, percentile, tuple(near), tuple(passages), copied, index.identity
    )


def _passage(clip: IndexedClip, start: float, end: float) -> TrainingPassage:
    """From seconds of the clip."""
    first, last = clip.bar(start), clip.bar(end)
    bars = None if first is None or last is None else (round(first, 2), round(last, 2))
    return TrainingPassage(clip.source, round(clip.start + start, 3), round(clip.start + end, 3), bars)


def _nearest(index: NoveltyIndex, piece: Features, start: float, count: int) -> list[Likeness]:
    cosines, numbers = index.nearest_clips(piece.whole[None], count)
    clips = [index.clips[number] for number in numbers[0]]
    return [
        Likeness(start, start + piece.seconds, _passage(clip, 0.0, clip.seconds), round(float(cosine), 4))
        for clip, cosine in zip(clips, cosines[0], strict=True)
    ]


def _passages(index: NoveltyIndex, piece: Features, start: float) -> list[Likeness]:
    cosines, numbers = index.nearest_segments(piece.segments)
    length = min(index.cutting.segment, piece.seconds)
    passages = []
    for first, number, cosine in zip(piece.starts, numbers, cosines, strict=True):
        clip_number, second = index.segment(int(number))
        clip = index.clips[clip_number]
        passage = _passage(clip, second, min(second + index.cutting.segment, clip.seconds))
        passages.append(Likeness(start + first, start + first + length, passage, round(float(cosine), 4)))
    return passages


def _by_onsets(index: NoveltyIndex, piece: Features, start: float) -> Copied | None:
    agreement = best_agreement(piece.peaks, index.landmarks, index.peaks.__getitem__)
    if agreement is None:
        return None
    clip, stretch = index.clips[agreement.clip], agreement.variant.stretch
    offset = agreement.offset / FRAMES_PER_SECOND
    begin, end = _span(offset, piece.seconds / stretch, clip.seconds)
    return Copied(
        "onsets",
        round(start + (begin - offset) * stretch, 3),
        round(start + (end - offset) * stretch, 3),
        _passage(clip, begin, end),
        round(agreement.evidence / index.calibration.copy, 3),
        round(agreement.evidence, 1),
        round(agreement.share, 3),
        agreement.variant.semitones,
        round(stretch, 4),
    )


def _by_outline(index: NoveltyIndex, piece: Features, start: float) -> Copied | None:
    outlined = best_outlined(piece.outline, index.words, index.outlines.__getitem__)
    if outlined is None:
        return None
    clip, offset = index.clips[outlined.clip], outlined.offset / STEPS_PER_SECOND
    begin, end = _span(offset, piece.seconds, clip.seconds)
    return Copied(
        "outline",
        round(start + begin - offset, 3),
        round(start + end - offset, 3),
        _passage(clip, begin, end),
        round(outlined.score / index.calibration.copy_outlined, 3),
        round(outlined.score, 1),
        round(outlined.share, 3),
    )


def _span(offset: float, seconds: float, clip_seconds: float) -> tuple[float, float]:
    """Seconds of the clip that so many from second `offset` on cover."""
    return max(offset, 0.0), min(offset + seconds, clip_seconds)


def _sentence(verdict: str, percentile: float, near: Likeness, copied: Copied | None) -> str:
    if verdict == "copy" and copied is not None:
        how = []
        if copied.semitones:
            how.append(f"{copied.semitones:+d} semitones")
        if abs(copied.stretch - 1) > 0.01:
            how.append(f"{'slower' if copied.stretch > 1 else 'faster'} by {abs(copied.stretch - 1):.0%}")
        changed = f" ({', '.join(how)})" if how else ""
        what = f"{copied.share:.0%} of the note onsets" if copied.by == "onsets" else "the outline of the sound"
        verb = "are those" if copied.by == "onsets" else f"agrees in {copied.share:.0%} with that"
        return (
            f"copy: {what} from {copied.start:.1f} to {copied.end:.1f} s {verb} of {in_words(copied.place)}{changed}; "
            "1 in 100 new clips looks like a copy"
        )
    usual = f"{percentile:.0f} % of the training clips are less like their nearest other one"
    end = {
        "very close": "it sounds like that clip, though no copied notes were found",
        "close": "it is nearer than most, and no copied notes were found",
        "new": "that is usual, and no copied notes were found",
    }[verdict]
    return f"{verdict}: similarity {near.similarity:.3f} to {near.place.source}; {usual}: {end}"


def in_words(passage: TrainingPassage) -> str:
    """A passage in words: file, seconds, bars."""
    words = f"{passage.source} from {passage.start:.1f} to {passage.end:.1f} s"
    if passage.bars is None:
        return words
    begin, end = passage.bars
    first = int(np.floor(begin))
    last = max(int(np.ceil(end)) - 1, first)
    return f"{words} (bar {first})" if first == last else f"{words} (bars {first} to {last})"
