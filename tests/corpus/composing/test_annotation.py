"""The truth beside the notes it was taken from, chords read by mir_eval."""

import itertools
import json
from dataclasses import asdict

import numpy as np
import pytest

from musicldm.corpus.composing.annotation import chord_label
from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.composing.plan import draw_plan
from musicldm.corpus.composing.theory import parse_chord
from musicldm.corpus.styles import STYLES
from musicldm.corpus.styles.style import DRUM_KEYS

mir_eval = pytest.importorskip("mir_eval")

SCORES = [compose(seed) for seed in range(60)]
SYMBOLS = sorted(
    {s for style in STYLES.values() for lines in style.progressions.values() for line in lines for s in line.split()}
)


def stem(score, role):
    return next((stem for stem in score.stems if stem.part.role == role), None)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_chords_label_means_its_pitch_classes_to_mir_eval(symbol):
    chord = parse_chord(symbol, 3)
    root, bitmap, _ = mir_eval.chord.encode(chord_label(chord))
    named = {(root + int(step)) % 12 for step in np.flatnonzero(bitmap)}
    assert root == chord.root
    # mir_eval keeps what lies inside an octave; a voicing may leave out the fifth of an extended chord.
    inside = {(chord.root + step) % 12 for step in chord.intervals if step < 12}
    assert inside <= named
    assert named - inside <= {(chord.root + 7) % 12}


def test_there_is_one_chord_and_one_bass_note_for_each_beat():
    for score in SCORES:
        truth = score.truth
        assert len(truth.chords) == len(truth.bass) == len(truth.beats)
        assert all(-1 <= pitch < 12 for pitch in truth.bass)
        if stem(score, "bass") is None:
            assert set(truth.bass) == {-1}


def test_a_bass_note_on_a_beat_is_the_beats_bass():
    seen = 0
    for score in SCORES:
        bass = stem(score, "bass")
        for beat, pitch in zip(score.truth.beats, score.truth.bass, strict=True):
            close = [note.pitch % 12 for note in bass.notes if abs(note.start - beat) < 0.01] if bass else []
            if close:
                assert pitch == close[0]
                seen += 1
    assert seen > 300


def test_the_melody_is_the_upper_voice_of_what_the_lead_plays_in_the_clip():
    for score in SCORES:
        lead = stem(score, "lead")
        heard = [n for n in lead.notes if n.end > 0 and n.start < score.truth.duration] if lead else []
        tops = {start: max(n.pitch for n in heard if n.start == start) for start in {n.start for n in heard}}
        assert [pitch for _, _, pitch in score.truth.melody] == [tops[start] for start in sorted(tops)]
        np.testing.assert_allclose([m[0] for m in score.truth.melody], sorted(tops), atol=5e-4)


def test_drum_onsets_are_the_drums_notes_by_kind():
    for score in SCORES:
        drums = stem(score, "drums")
        inside = [n for n in drums.notes if 0 <= n.start < score.truth.duration] if drums else []
        assert sum(map(len, score.truth.onsets.values())) == len(inside)
        kicks = [round(n.start, 3) for n in inside if n.pitch == DRUM_KEYS["k"]]
        assert list(score.truth.onsets.get("kick", ())) == kicks


def test_timpani_are_drums_with_a_skin_whatever_they_are_tuned_to():
    kinds = set()
    for seed in range(24):
        score = compose(seed, genre="march")
        if score.truth.drums:
            kinds |= set(score.truth.onsets)
            timpani = [n for n in stem(score, "drums").notes if 41 <= n.pitch <= 53 and 0 <= n.start < 10.24]
            assert len(score.truth.onsets.get("tom", ())) >= len(timpani)
    assert kinds <= {"kick", "snare", "tom", "crash"}
    assert {"kick", "snare", "crash"} <= kinds


def test_sections_cover_the_clip_and_name_the_parts_that_play_in_them():
    for score in SCORES:
        sections = score.truth.sections
        assert sections[0].start == 0
        assert sections[-1].end == score.truth.duration
        for before, after in itertools.pairwise(sections):
            assert before.end == after.start
            assert (before.label, before.roles) != (after.label, after.roles)
        for section in sections:
            for part in score.stems:
                if part.part.role not in section.roles:
                    starts = [n.start for n in part.notes]
                    edge = 0.12  # grace notes and human timing
                    assert not [s for s in starts if section.start + edge < s < section.end - edge]


def test_section_borders_are_downbeats():
    for score in SCORES:
        for section in score.truth.sections[1:]:
            assert np.abs(np.array(score.truth.downbeats) - section.start).min() < 1e-3


def test_long_clips_go_through_their_form():
    labels = [section.label for section in compose(3, seconds=120, genre="pop").truth.sections]
    assert set(labels) == {"A", "B"}
    style = STYLES["pop"]
    plan = draw_plan(3, style, seconds=120)
    assert all(len(passage.bars) <= style.section_bars for passage in plan.passages)
    assert sum(len(passage.bars) for passage in plan.passages) == plan.grid.bars


def test_a_truth_is_plain_json_of_a_few_kilobytes():
    sizes = [len(json.dumps(asdict(score.truth))) for score in SCORES]
    assert max(sizes) < 20_000
    assert np.mean(sizes) < 8_000
