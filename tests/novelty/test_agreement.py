"""Votes and evidence: planted copies are found where they were planted, and chance is worth nothing."""

from __future__ import annotations

import numpy as np
import pytest

from musicldm.novelty.agreement import best_agreement, evidence, occupied
from musicldm.novelty.fingerprint import BINS, FRAMES_PER_SECOND, Peaks, peaks_of
from musicldm.novelty.landmarks import VARIANTS, Landmarks, Variant, build_landmarks, candidates
from tests.tiny_music import RATE, melody


@pytest.fixture(scope="module")
def peaks() -> list[Peaks]:
    return [peaks_of(melody(seed)) for seed in range(10)]


@pytest.fixture(scope="module")
def landmarks(peaks: list[Peaks]) -> Landmarks:
    return build_landmarks(peaks)


def test_an_entry_is_under_its_hash(peaks: list[Peaks], landmarks: Landmarks) -> None:
    own = build_landmarks([peaks[4]])
    for place in np.flatnonzero(np.diff(own.starts))[:50].tolist():
        part = slice(landmarks.starts[place], landmarks.starts[place + 1])
        entries = list(zip(landmarks.clips[part].tolist(), landmarks.frames[part].tolist(), strict=True))
        assert (4, int(own.frames[own.starts[place]])) in entries
    assert landmarks.starts[-1] == len(landmarks.clips) == len(landmarks.frames)


@pytest.mark.parametrize(
    ("wave", "variant", "second"),
    [
        (melody(6), Variant(), 0.0),
        (melody(6)[2 * RATE + 77 : 5 * RATE], Variant(), 2.0),
        (np.concatenate([np.zeros(RATE, np.float32), melody(6)[: 4 * RATE]]), Variant(), -1.0),
        (melody(6, semitones=1), Variant(1), 0.0),
        (melody(6, semitones=-2), Variant(-2), 0.0),
        (melody(6) + 0.3 * melody(99), Variant(), 0.0),
    ],
    ids=["exact", "cut", "late", "up", "down", "mixed"],
)
def test_a_planted_copy_is_found_where_it_was_planted(
    peaks: list[Peaks], landmarks: Landmarks, wave: np.ndarray, variant: Variant, second: float
) -> None:
    found = best_agreement(peaks_of(wave), landmarks, peaks.__getitem__)
    assert found is not None
    assert (found.clip, found.variant) == (6, variant)
    assert abs(found.offset - second * FRAMES_PER_SECOND) <= 2
    assert found.evidence > 35


def test_a_copy_of_another_speed_is_found_with_its_speed(peaks: list[Peaks], landmarks: Landmarks) -> None:
    slower = peaks[2].copy()
    slower[:, 0] = np.rint(slower[:, 0] * 1.06)
    found = best_agreement(slower, landmarks, peaks.__getitem__)
    assert found is not None
    assert (found.clip, found.variant.stretch, found.variant.semitones) == (2, 1.06, 0)


def test_music_that_shares_only_its_drums_is_little_evidence(peaks: list[Peaks], landmarks: Landmarks) -> None:
    new = [best_agreement(peaks_of(melody(seed)), landmarks, peaks.__getitem__) for seed in range(100, 105)]
    assert max(0.0 if one is None else one.evidence for one in new) < 40


def test_an_excluded_clip_does_not_count(peaks: list[Peaks], landmarks: Landmarks) -> None:
    assert 3 not in {one.clip for one in candidates(landmarks, peaks[3], [3])}
    found = best_agreement(peaks[3], landmarks, peaks.__getitem__, [3])
    assert found is None or (found.clip != 3 and found.evidence < 40)


def test_a_query_without_peaks_agrees_with_no_clip(peaks: list[Peaks], landmarks: Landmarks) -> None:
    assert best_agreement(np.zeros((0, 2), np.int32), landmarks, peaks.__getitem__) is None


def test_evidence_is_the_likelihood_ratio() -> None:
    # one peak in each of ten rows: (3 + 20 * mean) / (frames + 20) is the chance of a hit, worked by hand below
    rows = np.arange(20, 120, 10)
    clip = np.stack([np.arange(10) * 10, rows], axis=1).astype(np.int32)
    there = occupied(clip)
    frames = 90 + 3
    cells = 3 * 3 * 10 - 3  # the first peak's early column of frames falls together with its own
    assert there.sum() == cells
    mean = cells / (frames * (BINS + 2))
    chance = np.full(10, np.clip((3 + 20 * mean) / (frames + 20), 0.02, 0.9))
    chance[0] = np.clip((2 + 20 * mean) / (frames + 20), 0.02, 0.9)
    frame = clip[:, 0].astype(np.int64).copy()
    frame[-2:] -= 5  # two of ten do not agree
    copied = (0.8 - chance.mean()) / (1 - chance.mean())
    likelihood, usual = chance + (1 - chance) * copied, chance + (1 - chance) * 0.15
    wanted = np.log(likelihood / usual)[:8].sum() + 2 * np.log((1 - copied) / (1 - 0.15))
    found, share = evidence(frame, rows.astype(np.int64), there)
    assert found == pytest.approx(wanted, rel=1e-9)
    assert share == pytest.approx(copied, rel=1e-9)


def test_a_note_that_is_always_there_is_little_evidence() -> None:
    always = np.stack([np.arange(0, 300, 2), np.full(150, 50)], axis=1).astype(np.int32)
    once = np.stack([np.arange(0, 300, 15), np.arange(20, 160, 7)], axis=1).astype(np.int32)
    found = [
        evidence(one[:20, 0].astype(np.int64), one[:20, 1].astype(np.int64), occupied(one)) for one in (always, once)
    ]
    assert found[0][0] < 5 < 30 < found[1][0]


@pytest.mark.parametrize(("agreeing", "counts"), [(2, False), (3, False), (6, True)])
def test_only_more_than_what_a_style_shares_is_evidence(agreeing: int, counts: bool) -> None:
    clip = np.stack([np.arange(20) * 15, np.arange(20, 160, 7)], axis=1).astype(np.int32)
    frame = clip[:, 0].astype(np.int64)
    frame[agreeing:] += 7
    found, share = evidence(frame, clip[:, 1].astype(np.int64), occupied(clip))
    assert (found > 0) == counts
    assert share < 0.35


def test_undoing_a_variant_gives_back_what_it_changed() -> None:
    peaks = np.array([[100, 90], [53, 30]], np.int32)
    frame, pitch = Variant(2, 1.06).undone(peaks)
    assert (frame.tolist(), pitch.tolist()) == ([94, 50], [84, 24])
    assert {(one.semitones, one.stretch) for one in VARIANTS} >= {(0, 1.0), (-2, 1.0), (2, 1.0), (0, 1.06)}


def test_what_many_clips_share_counts_less_than_what_one_has() -> None:
    """The idf weights: a pair of peaks that all ten clips have, and one that only the first has."""
    common, rare = np.array([[0, 50], [5, 60]], np.int32), np.array([[200, 100], [207, 130]], np.int32)
    built = build_landmarks([np.concatenate([common, rare]), *[common] * 9])
    for query, holders in ((common, 10), (rare, 1)):
        found = candidates(built, query, variants=(Variant(),))
        assert len(found) == holders
        assert found[0].votes == pytest.approx(np.log1p(10 / holders), rel=1e-6)
