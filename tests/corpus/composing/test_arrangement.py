from collections import Counter

import numpy as np
import pytest

from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.composing.theory import SCALES
from musicldm.corpus.composing.timing import Grid, swing_for
from musicldm.corpus.styles import INSTRUMENTS, STYLES
from musicldm.corpus.styles.style import STEPS_PER_BEAT, Swing
from musicldm.corpus.truth import GENRES, KEYS, METERS, QUALITIES
from musicldm.errors import InvalidInputError

SCORES = [compose(seed) for seed in range(420)]


def test_the_same_seed_composes_the_same_score_and_another_does_not():
    assert compose(7) == compose(7)
    assert compose(7) != compose(8)


def test_a_named_genre_is_composed():
    for genre in GENRES:
        assert compose(3, genre=genre).truth.genre == genre


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed -1: a whole number from 0 up"),
        ({"seed": 0, "seconds": 0.0}, "seconds 0.0: from 1 to 600"),
        ({"seed": 0, "genre": "hyperpop"}, "unknown genre 'hyperpop': choose one of afrobeat"),
    ],
)
def test_values_without_meaning_are_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        compose(**arguments)


def test_every_meter_and_quality_and_nearly_every_genre_turns_up():
    assert len({score.truth.genre for score in SCORES}) > 0.9 * len(GENRES)
    assert {score.truth.meter for score in SCORES} == set(METERS)
    assert {score.truth.quality for score in SCORES} == set(QUALITIES)
    clean = np.mean([score.truth.quality == "clean" for score in SCORES])
    assert 0.64 < clean < 0.8


def test_tempo_stays_in_the_genres_range():
    for score in SCORES:
        truth = score.truth
        style = STYLES[truth.genre]
        low, high = style.tempo_in(truth.meter)
        assert low <= truth.bpm <= high


def test_beats_are_evenly_spaced_at_the_tempo_and_cover_the_clip():
    for score in SCORES:
        truth = score.truth
        if truth.meter == "7/8":
            continue
        period = 60 / truth.bpm
        beats = np.array(truth.beats)
        np.testing.assert_allclose(np.diff(beats), period, atol=2e-6)
        assert 0 <= beats[0] < period
        assert truth.duration - period <= beats[-1] < truth.duration


def test_seven_eight_has_two_quarters_and_a_dotted_one():
    scores = [s for s in SCORES if s.truth.meter == "7/8"]
    assert scores
    for score in scores:
        quarter = 60 / score.truth.bpm
        gaps = np.diff(score.truth.beats) / quarter
        assert {round(float(gap), 2) for gap in gaps} == {1.0, 1.5}
        np.testing.assert_allclose(np.diff(score.truth.downbeats), 3.5 * quarter, atol=2e-6)


def test_downbeats_come_once_a_bar():
    per_bar = {"4/4": 4, "3/4": 3, "6/8": 2, "5/4": 5, "7/8": 3, "12/8": 4}
    for score in SCORES:
        beats, downbeats = np.array(score.truth.beats), np.array(score.truth.downbeats)
        places = [int(np.abs(beats - downbeat).argmin()) for downbeat in downbeats]
        np.testing.assert_allclose(beats[places], downbeats, atol=2e-6)
        assert set(np.diff(places)) <= {per_bar[score.truth.meter]}


def test_clips_start_at_any_point_of_a_bar():
    first = [score.truth.downbeats[0] for score in SCORES]
    assert np.mean(np.array(first) == 0) > 0.2
    assert np.mean(np.array(first) > 0.3) > 0.3


def test_truth_lists_exactly_the_parts_that_play():
    for score in SCORES:
        truth = score.truth
        assert truth.instruments == tuple(stem.part for stem in score.stems)
        roles = Counter(part.role for part in truth.instruments)
        assert max(roles.values()) == 1
        assert truth.drums == ("drums" in roles)
        assert all(INSTRUMENTS[part.name].family == part.family for part in truth.instruments)
        assert truth.key in KEYS
        assert truth.mode in SCALES
        assert all(stem.notes for stem in score.stems)


def test_most_clips_have_a_lead_and_it_plays_for_most_of_the_clip():
    led = [score for score in SCORES if score.truth.lead is not None]
    assert 0.8 < len(led) / len(SCORES) < 0.92
    spans = []
    for score in led:
        notes = next(stem.notes for stem in score.stems if stem.part.role == "lead")
        inside = [note for note in notes if note.end > 0 and note.start < 10.24]
        spans.append(inside[-1].end - max(0.0, inside[0].start))
    assert min(spans) > 0.55 * 10.24
    assert np.mean(spans) > 0.85 * 10.24


def test_leads_play_in_their_instruments_range():
    for score in SCORES:
        for stem in score.stems:
            if stem.part.role == "lead":
                pitches = [note.pitch for note in stem.notes]
                assert np.percentile(pitches, 90) <= stem.instrument.high + 4, stem.part
                assert np.percentile(pitches, 50) >= stem.instrument.low - 4, stem.part


def test_notes_stay_mostly_in_the_key():
    """The bass drum aside, diatonic genres keep to the truth's scale; it would be near 7/12 by chance."""
    inside: Counter[bool] = Counter()
    for score in SCORES:
        if score.truth.genre in ("classical", "rock", "synthwave", "celtic", "house", "ambient"):
            scale = {(KEYS.index(score.truth.key) + step) % 12 for step in SCALES[score.truth.mode]}
            for stem in score.stems:
                if stem.part.family != "drums":
                    inside.update((note.pitch % 12) in scale for note in stem.notes)
    assert inside[True] / inside.total() > 0.93


def test_humanised_notes_stay_near_their_step():
    """Lead notes of straight genres lie within twice the style's spread of the grid, grace notes aside."""
    score = next(s for s in SCORES if s.truth.genre == "techno" and s.truth.lead and s.truth.meter == "4/4")
    step = 60 / score.truth.bpm / STEPS_PER_BEAT["4/4"]
    for note in next(stem.notes for stem in score.stems if stem.part.role == "drums" or stem.part.role == "lead"):
        distance = (note.start - score.truth.beats[0]) / step
        assert abs(distance - round(distance)) * step < 0.0025


def test_kicks_fall_on_every_beat_of_house():
    score = next(s for s in SCORES if s.truth.genre == "house" and s.truth.drums)
    kicks = np.array(score.kicks)
    near = [np.abs(kicks - beat).min() < 0.005 for beat in score.truth.beats]
    assert np.mean(near) > 0.7


def test_energy_changes_loudness_density_and_tempo():
    by_energy = {energy: [s for s in SCORES if s.truth.energy == energy] for energy in ("low", "high")}

    def place(score):
        style = STYLES[score.truth.genre]
        low, high = style.tempo_in(score.truth.meter)
        return (score.truth.bpm - low) / (high - low)

    def touch(score):
        return np.mean([note.velocity for stem in score.stems for note in stem.notes])

    for measure, least in ((place, 0.2), (touch, 12)):
        low, high = (np.mean([measure(score) for score in by_energy[energy]]) for energy in ("low", "high"))
        assert high - low > least, measure.__name__


def test_mood_decides_between_light_and_dark_modes():
    def dark(mood):
        return np.mean([s.truth.mode in ("minor", "dorian", "phrygian") for s in SCORES if s.truth.mood == mood])

    assert dark("sad") - dark("happy") > 0.3
    assert dark("dark") > 0.75


def test_swing_moves_only_the_second_note_of_a_pair():
    even = Grid("4/4", 120, 0.0, 10.0)
    swung = Grid("4/4", 120, 0.0, 10.0, 2 / 3, 8)
    for step in (0, 4, 8, 12):
        assert swung.time(0, step) == pytest.approx(even.time(0, step))
    assert swung.time(0, 2) == pytest.approx(2 / 3 * 0.5)
    sixteenths = Grid("4/4", 120, 0.0, 10.0, 0.6, 16)
    assert sixteenths.time(0, 2) == pytest.approx(even.time(0, 2))
    assert sixteenths.time(0, 1) == pytest.approx(0.6 * 0.25)
    assert swing_for(Swing(8, 0.6, 0.7), 0.5) == (pytest.approx(0.65), 8)
    assert swing_for(None, 0.5) == (0.5, 8)


def test_a_bar_of_six_eight_has_two_dotted_beats():
    grid = Grid("6/8", 60, 0.0, 4.0)
    assert grid.beats() == (0.0, 1.0, 2.0, 3.0)
    assert grid.downbeats() == (0.0, 2.0)


def test_timpani_are_tuned_to_tonic_and_fifth():
    seen = 0
    for score in SCORES:
        if any(part.name == "orchestral percussion" for part in score.truth.instruments):
            tonic = KEYS.index(score.truth.key)
            stem = next(stem for stem in score.stems if stem.part.role == "drums")
            timpani = {note.pitch % 12 for note in stem.notes if 41 <= note.pitch <= 48}
            assert timpani <= {tonic, (tonic + 7) % 12}
            seen += bool(timpani)
    assert seen
