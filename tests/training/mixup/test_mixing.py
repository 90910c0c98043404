import numpy as np
import pytest
from scipy import stats

from musicldm.corpus.composing.theory import MODES, SCALES
from musicldm.corpus.truth import KEYS
from musicldm.data.store import ClipRow
from musicldm.errors import DataError, InvalidInputError
from musicldm.training.mixup.mixing import (
    GROUP_WIDTH,
    Mixer,
    MixupOptions,
    Pairing,
    downbeat_cut,
    folded,
    join_captions,
    keys_agree,
    latent_cuts,
    mix_embeddings,
    mix_latents,
    mix_waves,
    mixing_weight,
    tempo_group,
    whole_tempo,
)

RATE = 16000
SECONDS = 10.24


def grid(bpm: float, first: float, seconds: float = SECONDS) -> list[float]:
    return np.arange(first, seconds, 60 / bpm).tolist()


def clicks(times: list[float], seconds: float = SECONDS) -> np.ndarray:
    wave = np.zeros(round(seconds * RATE), dtype=np.float32)
    wave[[round(time * RATE) for time in times]] = 1.0
    return wave


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_weights_follow_the_papers_beta_distribution() -> None:
    random = rng()
    drawn = [mixing_weight(random) for _ in range(4000)]
    assert stats.kstest(drawn, stats.beta(5, 5).cdf).pvalue > 0.01
    assert stats.kstest(drawn, stats.beta(4, 4).cdf).pvalue < 0.01


@pytest.mark.parametrize(
    ("beats", "bpm"),
    [
        (grid(120, 0.3), 120),
        (grid(93.4, 0.1), 93),
        ([1.0, 1.5], 120),
        ([0.0, 1.0, 1.5], 80),
        ([4.0], 0),
        ([], 0),
        ([2.0, 2.0], 0),
    ],
)
def test_the_tempo_is_that_of_the_first_to_the_last_beat(beats: list[float], bpm: int) -> None:
    assert whole_tempo(beats) == bpm


def test_groups_are_bins_of_three_beats_a_minute_and_fold_octaves_only_where_wanted() -> None:
    assert [tempo_group(grid(bpm, 0.0, 60)) for bpm in (119, 120, 122, 123)] == [39, 40, 40, 41]
    assert GROUP_WIDTH == 3
    assert tempo_group(grid(70, 0.0, 60)) != tempo_group(grid(140, 0.0, 60))
    groups = {tempo_group(grid(bpm, 0.0, 60), fold=True) for bpm in (70, 140)}
    assert len(groups) == 1
    assert folded(70) == pytest.approx(140)
    assert folded(200) == pytest.approx(100)
    assert folded(80) == pytest.approx(80)
    assert folded(0) == 0


@pytest.mark.parametrize("seed", range(8))
def test_the_downbeats_of_two_click_tracks_fall_together_in_a_mixture_of_waves(seed: int) -> None:
    first, second = grid(120, 0.31)[::4], grid(120, 0.77)[::4]
    mixer = Mixer(
        [grid(120, 0.31), grid(120, 0.77)],
        [first, second],
        [None, None],
        SECONDS,
        MixupOptions("bam", probability=1.0, other_partner=True),
    )
    mix = mixer.draw(0, 4.0, rng(seed))
    assert mix is not None
    assert mix.partner == 1
    mixed = mix_waves(clicks(first), clicks(second), mix, RATE)
    heard = np.flatnonzero(mixed > 0.05) / RATE
    assert len(mixed) / RATE >= 4.0
    expected = np.arange(0, len(mixed) / RATE - 0.005, 2.0)
    assert np.abs(heard[:, None] - expected).min(axis=0).max() < 0.005
    assert np.abs(heard[:, None] - expected).min(axis=1).max() < 0.005


@pytest.mark.parametrize("fps", [12.5, 25.0])
def test_the_downbeats_of_two_click_tracks_fall_within_one_latent_frame(fps: float) -> None:
    frames = round(SECONDS * fps)
    random = rng(3)
    worst = 0.0
    for _ in range(200):
        cuts = random.uniform(0, 5, size=2)
        starts = latent_cuts(Pairing(1, *cuts, 0.5), fps)
        assert min(starts) >= 0
        assert all(start <= cut * fps or 0 in starts for start, cut in zip(starts, cuts, strict=True))
        assert all(cut * fps - start < 2.5 for start, cut in zip(starts, cuts, strict=True))
        misaligned = (cuts[0] * fps - starts[0]) - (cuts[1] * fps - starts[1])
        worst = max(worst, abs(misaligned))
        a, b = (np.zeros((2, frames, 1), np.float32) for _ in range(2))
        a[0, starts[0] :: 25], b[0, starts[1] :: 25] = 1.0, 1.0
        mixed = mix_latents(a, b, Pairing(1, *cuts, 0.5), fps)
        assert np.flatnonzero(mixed[0, :, 0]).tolist() == list(range(0, mixed.shape[1], 25))
        assert mixed.shape[1] == frames - max(starts)
    assert worst <= 0.5 + 1e-9


def test_mixtures_of_waves_are_the_weighted_sum_at_a_peak_of_one_half() -> None:
    a, b = (rng(seed).standard_normal(RATE).astype(np.float32) for seed in (1, 2))
    mixed = mix_waves(a, b, Pairing(1, 0.25, 0.5, 0.7), RATE)
    wanted = 0.7 * a[4000:12000].astype(np.float64) + 0.3 * b[8000:].astype(np.float64)
    assert np.allclose(mixed, wanted * 0.5 / np.abs(wanted).max(), atol=1e-6)
    assert np.allclose(mix_waves(a, b, Pairing(1, 0.25, 0.5, 0.7), RATE, peak=None), wanted, atol=1e-6)
    silent = mix_waves(0 * a, 0 * b, Pairing(1, 0.0, 0.0, 0.5), RATE)
    assert not silent.any()


def test_matched_loudness_makes_the_result_independent_of_the_partners_level() -> None:
    a, b = (rng(seed).standard_normal(RATE).astype(np.float32) for seed in (1, 2))
    mix = Pairing(1, 0.0, 0.1, 0.4)
    matched = [mix_waves(a, gain * b, mix, RATE, match_loudness=True, peak=None) for gain in (0.01, 1.0)]
    assert np.allclose(*matched, atol=1e-5)
    part = matched[0] - 0.4 * a[: len(matched[0])]
    levels = [float(np.sqrt(np.square(x).mean())) for x in (part / 0.6, a[: len(part)])]
    assert levels[0] == pytest.approx(levels[1], rel=1e-4)
    assert np.allclose(mix_waves(a, 0 * b, mix, RATE, match_loudness=True, peak=None), 0.4 * a[: len(part)])


def test_moments_of_mixed_latents_are_those_of_mixed_draws() -> None:
    random = rng(5)
    a, b = (np.abs(random.standard_normal((4, 6, 2))).astype(np.float32) + 0.1 for _ in range(2))
    mixed = mix_latents(a, b, Pairing(1, 0.0, 0.0, 0.3), 1.0)
    draws = [x[:2] + x[2:] * random.standard_normal((40000, 2, 6, 2)) for x in (a, b)]
    z = 0.3 * draws[0] + 0.7 * draws[1]
    assert np.allclose(mixed[:2], z.mean(axis=0), atol=0.03)
    assert np.allclose(mixed[2:], z.std(axis=0), rtol=0.03)


def test_mixed_embeddings_have_unit_norm_and_lie_between() -> None:
    first, second = np.eye(4, dtype=np.float16)[:2]
    mixed = mix_embeddings(first, second, 0.6)
    assert np.allclose(mixed, np.array([0.6, 0.4, 0, 0]) / np.hypot(0.6, 0.4), atol=1e-6)
    assert np.isfinite(mix_embeddings(first, -first, 0.5)).all()


def test_joined_captions_hold_both() -> None:
    assert join_captions("Slow blues. ", " fast techno") == "Slow blues, mixed with fast techno"


def test_a_cut_is_any_downbeat_but_the_last_that_leaves_enough() -> None:
    random = rng()
    drawn = {downbeat_cut([0.5, 2.5, 4.5, 6.5], 5.0, random) for _ in range(200)}
    assert drawn == {0.5, 2.5, 4.5}
    assert {downbeat_cut([0.5, 2.5, 4.5], 5.0, random) for _ in range(200)} == {0.5, 2.5}
    assert downbeat_cut([0.5], 5.0, random) is None
    assert downbeat_cut([], 5.0, random) is None
    assert downbeat_cut([6.0, 8.0], 5.0, random) is None


def mixer(**options: object) -> Mixer:
    """Clips 0 and 1 at 120, 2 at 60, 3 alone at 97, 4 without beats, 5 at 120 with one downbeat."""
    tempi = (120, 120, 60, 97)
    beats = [grid(bpm, 0.2) for bpm in tempi] + [[], grid(120, 0.2)]
    downbeats = [b[::4] for b in beats[:4]] + [[], [0.2]]
    keys = [("C", "major"), ("F#", "major"), ("A", "minor"), None, None, ("D", "dorian")]
    return Mixer(beats, downbeats, keys, SECONDS, MixupOptions(**{"kind": "blm", "probability": 1.0} | options))


def partners(found: Mixer, index: int) -> set[int]:
    random = rng(1)
    drawn = (found.draw(index, 2.0, random) for _ in range(300))
    return {mix.partner for mix in drawn if mix is not None}


def test_partners_are_of_one_tempo_and_may_be_the_clip_itself_as_published() -> None:
    assert partners(mixer(), 0) == {0, 1}
    assert mixer().partners(0).tolist() == [0, 1, 5]
    assert partners(mixer(), 3) == {3}
    assert partners(mixer(), 4) == set()
    assert partners(mixer(), 5) == set()


def test_options_choose_partners_better_than_published() -> None:
    assert partners(mixer(other_partner=True), 0) == {1}
    assert partners(mixer(other_partner=True), 3) == set()
    assert partners(mixer(fold_tempo=True), 0) == {0, 1, 2}
    assert partners(mixer(fold_tempo=True, match_key=True), 0) == {0, 2}


def test_simple_mixup_takes_any_partner_as_it_lies() -> None:
    simple = mixer(kind="simple")
    assert partners(simple, 4) == set(range(6))
    mix = simple.draw(4, 2.0, rng())
    assert mix is not None
    assert (mix.start, mix.partner_start) == (0.0, 0.0)


def test_partners_are_drawn_evenly() -> None:
    simple, random = mixer(kind="simple"), rng(7)
    drawn = [simple.draw(0, 2.0, random) for _ in range(3000)]
    counts = np.bincount([mix.partner for mix in drawn if mix is not None], minlength=6)
    assert stats.chisquare(counts).pvalue > 0.01


def test_as_many_clips_are_mixed_as_wanted() -> None:
    random = rng(2)
    some = mixer(kind="simple", probability=0.3)
    assert np.mean([some.draw(0, 2.0, random) is not None for _ in range(3000)]) == pytest.approx(0.3, abs=0.03)
    assert mixer(kind="none").draw(0, 2.0, random) is None


@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        (("C", "major"), ("A", "minor"), True),
        (("C", "major"), ("G", "major"), True),
        (("C", "major"), ("D", "major"), False),
        (("D", "dorian"), ("C", "major"), True),
        (("F", "major"), ("B", "phrygian"), False),
        (("F#", "major"), ("C", "major"), False),
        (("F", "lydian"), ("E", "phrygian"), True),
        (None, ("C", "major"), True),
        (("H", "major"), ("C", "major"), True),
    ],
)
def test_keys_agree_that_share_six_notes(
    first: tuple[str, str] | None, second: tuple[str, str] | None, agree: bool
) -> None:
    assert keys_agree(first, second) == agree
    assert keys_agree(second, first) == agree


def test_keys_agree_just_where_their_scales_share_six_notes() -> None:
    modes = ("major", "dorian", "phrygian", "lydian", "mixolydian", "minor")
    scales = [(key, mode, {(at + step) % 12 for step in SCALES[mode]}) for at, key in enumerate(KEYS) for mode in modes]
    for key, mode, notes in scales:
        for other_key, other_mode, other_notes in scales:
            shared = len(notes & other_notes)
            assert keys_agree((key, mode), (other_key, other_mode)) == (shared >= 6), (key, mode, other_key, other_mode)


def test_other_scales_agree_with_the_major_scale_that_they_share_most_notes_with() -> None:
    for mode in MODES:
        notes = {step % 12 for step in SCALES[mode]}
        shared = {key: len(notes & {(at + step) % 12 for step in SCALES["major"]}) for at, key in enumerate(KEYS)}
        agreeing = [key for key in KEYS if keys_agree(("C", mode), (key, "major"))]
        assert len(agreeing) == 3
        assert max(shared.values()) in [shared[key] for key in agreeing]


def test_clips_without_beats_are_refused_by_name_where_beats_are_needed() -> None:
    rows = [ClipRow("a.wav", ("a",), {"downbeats": [0.0, 2.0], "beats": [0.0, 0.5]})]
    assert list(Mixer.of_rows(rows, SECONDS, MixupOptions("bam")).partners(0)) == [0]
    rows.append(ClipRow("b.wav", ("b",), {}))
    with pytest.raises(DataError, match=r"b.wav has no beats, which mixup 'blm' needs"):
        Mixer.of_rows(rows, SECONDS, MixupOptions("blm"))
    assert list(Mixer.of_rows(rows, SECONDS, MixupOptions("simple")).partners(0)) == [0, 1]


def test_keys_are_those_that_the_clips_name_and_unknown_ones_agree_with_all() -> None:
    keys = [{"key": "C", "mode": "major"}, {"key": "F#", "mode": "major"}, {"key": "A", "mode": "minor"}, {"key": "C"}]
    rows = [ClipRow(f"{at}.wav", ("a",), key) for at, key in enumerate(keys)]
    mixer = Mixer.of_rows(rows, SECONDS, MixupOptions("simple", match_key=True))
    assert [list(mixer.partners(at)) for at in range(4)] == [[0, 2, 3], [1, 3], [0, 2, 3], [0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"kind": "bem"}, r"unknown mixup kind 'bem'.*none, simple, bam, blm"),
        ({"captions": "both"}, r"unknown mixup captions 'both'"),
        ({"probability": 1.5}, r"probability is 1.5"),
        ({"kind": "blm", "match_loudness": True}, r"waves"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        MixupOptions(**options)
