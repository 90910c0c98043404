"""What every style plays: in its instruments' ranges, in its key, on its grid."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.composing.melody import chord_at
from musicldm.corpus.composing.plan import Plan, draw_plan
from musicldm.corpus.composing.score import Score
from musicldm.corpus.composing.theory import SCALES
from musicldm.corpus.styles import STYLES
from musicldm.corpus.styles.style import STEPS_PER_BAR, Style

EVERY = pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
SEEDS, SECONDS = range(4), 10.24
# Half steps that the lead may leave its instrument's range by: the ladder's edge, and the home note beyond it.
LEAD_SLACK, BASS_SLACK = 5, 7


@dataclass(frozen=True)
class Clip:
    score: Score
    plan: Plan

    def notes(self, role):
        return [note for stem in self.score.stems if stem.part.role == role for note in stem.notes]

    def player(self, role):
        return self.plan.players.get(role)


@cache
def clips(name: str) -> list[Clip]:
    style = STYLES[name]
    return [Clip(compose(seed, genre=name), draw_plan(seed, style, seconds=SECONDS)) for seed in SEEDS]


@EVERY
def test_its_clips_are_of_its_table(style: Style):
    for clip in clips(style.name):
        truth = clip.score.truth
        low, high = style.tempo_in(truth.meter)
        assert truth.genre == style.name
        assert low <= truth.bpm <= high
        assert truth.meter in style.meters
        assert truth.mode in style.modes
        assert truth.mood in style.moods
        tables = {
            "lead": style.leads, "bass": style.basses, "chords": style.keys, "pad": style.pads,
            "counter": style.counters, "drums": style.kits,
        }  # fmt: skip
        assert all(part.name in tables[part.role] for part in truth.instruments)


@EVERY
def test_its_lead_and_bass_stay_in_their_instruments_ranges(style: Style):
    for clip in clips(style.name):
        tops: dict[float, int] = {}
        for note in clip.notes("lead"):
            tops[note.start] = max(note.pitch, tops.get(note.start, 0))
        for pitch in tops.values():
            assert clip.player("lead").low - LEAD_SLACK <= pitch <= clip.player("lead").high + LEAD_SLACK
        for note in clip.notes("bass"):
            assert clip.player("bass").low - BASS_SLACK <= note.pitch <= clip.player("bass").high + BASS_SLACK


@EVERY
def test_its_accompaniment_stays_on_the_piano_and_velocities_are_midis(style: Style):
    for clip in clips(style.name):
        for role in ("chords", "pad", "counter"):
            assert all(28 <= note.pitch <= 106 for note in clip.notes(role))
        for stem in clip.score.stems:
            assert all(1 <= note.velocity <= 127 and note.end > note.start for note in stem.notes)


@EVERY
def test_its_chords_and_lead_are_mostly_in_the_key(style: Style):
    """By chance it would be 7 of 12."""
    chords, leads = [], []
    for clip in clips(style.name):
        scale = {(clip.plan.tonic + step) % 12 for step in SCALES[clip.plan.mode]}
        triads = [chord.pitch_classes[:3] for bar in clip.plan.chords for chord in bar]
        chords += [pitch in scale for triad in triads for pitch in triad]
        leads += [note.pitch % 12 in scale for note in clip.notes("lead")]
    assert np.mean(chords) >= 0.8
    assert not leads or np.mean(leads) >= 0.7


@EVERY
def test_its_bass_plays_the_chords_root_on_the_first_beat_and_mostly_the_chords_tones(style: Style):
    roots, members = [], []
    for clip in clips(style.name):
        for (bar, step), pitch in zip(clip.plan.grid.beat_places(), clip.score.truth.bass, strict=True):
            chord = chord_at(clip.plan, bar, step)
            if pitch >= 0:
                members.append(pitch in chord.pitch_classes)
                roots += [pitch == chord.root] if step == 0 else []
    if members:
        # Salsa's bass is ahead of the chord by a beat.
        assert np.mean(roots) >= (0.6 if style.name == "salsa" else 0.9)
        assert np.mean(members) >= 0.5


@EVERY
def test_its_drums_are_on_the_grid(style: Style):
    """On a step, or on a half or a third of one, give or take twice the drummer's spread."""
    for clip in clips(style.name):
        grid = clip.plan.grid
        steps = [(bar, step / 6) for bar in range(-1, grid.bars) for step in range(6 * grid.steps)]
        times = np.sort([grid.time(bar, step) for bar, step in steps])
        starts = np.array([note.start for note in clip.notes("drums")])
        if starts.size:
            after = np.searchsorted(times, starts).clip(1, len(times) - 1)
            distance = np.minimum(np.abs(times[after] - starts), np.abs(times[after - 1] - starts))
            assert distance.max() <= 2 * 0.35 * style.human / 1000 + 1e-9


@EVERY
def test_its_bars_follow_each_other_and_hold_whole_beats(style: Style):
    for clip in clips(style.name):
        truth, grid = clip.score.truth, clip.plan.grid
        assert grid.bar_seconds == pytest.approx(STEPS_PER_BAR[truth.meter] * grid.step_seconds)
        np.testing.assert_allclose(np.diff(truth.downbeats), grid.bar_seconds, atol=2e-6)
        assert set(truth.downbeats) <= set(truth.beats)
        assert max(truth.beats) < truth.duration


@EVERY
def test_its_clips_may_last_from_a_second_to_many(style: Style):
    for seconds in (1.0, 40.0):
        truth = compose(2, seconds=seconds, genre=style.name).truth
        assert truth.duration == truth.sections[-1].end == seconds
        assert len(truth.chords) == len(truth.bass) == len(truth.beats)


@EVERY
def test_its_rhythm_section_is_its_own(style: Style):
    """Drums or comping tell a style's clips from every other style's: no other has the same figures of both."""
    mine = ({p for ps in style.drums.values() for p in ps}, {p for ps in style.comping.values() for p in ps})
    for other in STYLES.values():
        if other is not style:
            theirs = ({p for ps in other.drums.values() for p in ps}, {p for ps in other.comping.values() for p in ps})
            assert not (mine[0] & theirs[0])
            assert mine[1] != theirs[1]
