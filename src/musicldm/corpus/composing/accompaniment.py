"""Bass, chords, pad and counter-melody: patterns of the table laid over the chords."""

import numpy as np

from musicldm.corpus.composing.feels import parse_cell
from musicldm.corpus.composing.melody import chord_at
from musicldm.corpus.composing.plan import Plan
from musicldm.corpus.composing.score import Tone
from musicldm.corpus.composing.theory import SCALES, Chord, nearest, scale_pitches, voice_chord
from musicldm.corpus.sound.instruments import Instrument

_CHORD_CENTRES = {"close": 58.0, "open": 56.0, "power": 46.0, "octaves": 58.0}
_LEFT_HAND = 43


def pick_pattern(rng: np.random.Generator, patterns: tuple[str, ...], plan: Plan) -> str:
    """One of the patterns; high energy leans to those with many notes, low energy to those with few."""
    counts = np.array([len(parse_cell(pattern)) for pattern in patterns], float)
    spread = counts.std() or 1.0
    chances = np.exp((plan.force + plan.character.density) * (counts - counts.mean()) / spread)
    return patterns[int(rng.choice(len(patterns), p=chances / chances.sum()))]


def _figures(rng: np.random.Generator, patterns: tuple[str, ...], plan: Plan) -> dict[str, tuple[str, str]]:
    """For each letter of the form a figure, and the answer that takes its place now and then."""
    letters = sorted({passage.letter for passage in plan.passages})
    return {letter: (pick_pattern(rng, patterns, plan), pick_pattern(rng, patterns, plan)) for letter in letters}


def write_bass(rng: np.random.Generator, plan: Plan, player: Instrument, bars: range) -> list[Tone]:
    """One figure for each section, with an answer in every fourth bar."""
    figures = _figures(rng, plan.style.bass[plan.grid.meter], plan)
    centre = (player.low + player.high) / 2 - 3
    tones: list[Tone] = []
    for bar in bars:
        pattern = figures[plan.letter(bar)][bar % 4 == 3]
        for step, length in parse_cell(pattern):
            chord = chord_at(plan, bar, step)
            root = _in_range(nearest(chord.root, centre), player)
            pitch = _bass_pitch(rng, pattern[step], plan, chord, root, bar, step, tones)
            tones.append(Tone(bar, step, length * 0.95, pitch, 1.0 if step in plan.grid.beat_steps else 0.85))
    return tones


def _in_range(pitch: int, player: Instrument) -> int:
    while pitch < player.low:
        pitch += 12
    while pitch > player.high - 8:
        pitch -= 12
    return pitch


def _bass_pitch(
    rng: np.random.Generator, mark: str, plan: Plan, chord: Chord, root: int, bar: int, step: int, tones: list[Tone]
) -> int:
    if mark == "W":
        return _walk(rng, plan, chord, root, bar, step, tones)
    if mark in "an":
        coming = nearest(plan.next_chord(bar).root, root)
        return coming + (int(rng.choice([-1, 1, -2])) if mark == "a" else 0)
    seventh = 10 if 10 in chord.intervals or 11 not in chord.intervals else 11
    offsets = {"R": 0, "3": chord.third, "5": chord.fifth, "6": 9, "7": seventh, "8": 12, "L": chord.fifth - 12}
    return root + offsets[mark]


def _walk(rng: np.random.Generator, plan: Plan, chord: Chord, root: int, bar: int, step: int, tones: list[Tone]) -> int:
    """A walking line: the root on the chord's first beat, a semitone into the next chord on its last, steps between."""
    share = plan.grid.steps // len(plan.chords[bar])
    inside = step % share
    if inside == 0 or not tones:
        return root
    if inside >= share - plan.grid.steps_per_beat:
        later = plan.chords[bar][1] if step < share and len(plan.chords[bar]) > 1 else plan.next_chord(bar)
        return nearest(later.root, tones[-1].pitch) + int(rng.choice([-1, 1]))
    ladder = scale_pitches(chord.root, (0, 2, chord.third, 5, chord.fifth, 9, 10), root - 5, root + 12)
    place = min(range(len(ladder)), key=lambda i: abs(ladder[i] - tones[-1].pitch))
    return ladder[int(np.clip(place + rng.choice([-2, -1, 1, 1, 2]), 0, len(ladder) - 1))]


def write_chords(rng: np.random.Generator, plan: Plan, player: Instrument, bars: range) -> list[Tone]:
    """One comping pattern for the clip, with another every fourth bar; voicings lead smoothly from chord to chord."""
    patterns = plan.style.comping[plan.grid.meter]
    figures = _figures(rng, patterns, plan)
    if player.sustain and player.family in ("strings", "synth pad", "organ") and rng.random() < 0.5:
        calm = min(patterns, key=lambda p: len(parse_cell(p)))
        figures = dict.fromkeys(figures, (calm, calm))
    centre = _chord_centre(plan, player)
    voicing: tuple[int, ...] = ()
    last: Chord | None = None
    tones: list[Tone] = []
    for bar in bars:
        pattern = figures[plan.letter(bar)][bar % 4 == 3 and rng.random() < 0.5]
        for step, length in parse_cell(pattern):
            for at, long in _split(plan, step, length, bar):
                chord = chord_at(plan, bar, at)
                if chord != last:
                    voicing, last = _voice(plan, chord, centre, voicing), chord
                tones += _strike(plan, pattern[step], chord, voicing, bar, at, long)
    return tones


def _chord_centre(plan: Plan, player: Instrument) -> float:
    """The middle of the chords: the style's, but a good fourth below a low lead."""
    centre = (
        _CHORD_CENTRES[plan.style.voicing] + plan.character.register * 0.3 + (3 if player.family == "guitar" else 0)
    )
    lead = plan.players.get("lead")
    return centre if lead is None else max(48.0, min(centre, (lead.low + lead.high) / 2 - 10))


def _split(plan: Plan, step: int, length: int, bar: int) -> list[tuple[int, int]]:
    """A held chord is struck again where the harmony changes inside it."""
    half = plan.grid.steps // 2
    if len(plan.chords[bar]) == 2 and step < half < step + length:
        return [(step, half - step), (half, step + length - half)]
    return [(step, length)]


def _voice(plan: Plan, chord: Chord, centre: float, previous: tuple[int, ...]) -> tuple[int, ...]:
    if plan.style.voicing == "power":
        root = nearest(chord.root, centre)
        return (root, root + 7, root + 12) if chord.third == 7 else (root, root + chord.fifth, root + 12 + chord.third)
    voiced = voice_chord(chord, centre, previous)
    if plan.style.voicing == "open" and len(voiced) >= 3:
        return (voiced[0], voiced[2], voiced[1] + 12, *(p + 12 for p in voiced[3:]))
    return voiced


def _strike(
    plan: Plan, mark: str, chord: Chord, voicing: tuple[int, ...], bar: int, step: float, length: float
) -> list[Tone]:
    weight = (1.0 if step in plan.grid.beat_steps else 0.9) * (0.72 if mark == "u" else 1.0)
    if mark in "bf":
        root = nearest(chord.root, _LEFT_HAND)
        return [Tone(bar, step, length * 0.95, root if mark == "b" else root + chord.fifth - 12, weight)]
    if mark == "z":
        return _fast_arpeggio(plan, voicing, bar, step, length)
    if mark.isdigit():
        octave, place = divmod(int(mark) - 1, len(voicing))
        pitch = sorted(voicing)[place] + 12 * octave
        pitches = (pitch, pitch + 12) if plan.style.voicing == "octaves" else (pitch,)
        return [Tone(bar, step, length + 0.5, each, weight) for each in pitches]
    gate = 0.95 if length > 1 else 0.7
    return [Tone(bar, step, length * gate, pitch, weight) for pitch in voicing]


def _fast_arpeggio(plan: Plan, voicing: tuple[int, ...], bar: int, step: float, length: float) -> list[Tone]:
    """The chord's tones in turn, so fast that they sound as one chord, as on a chip with few voices."""
    each = 1 / plan.style.arpeggio_hertz / plan.grid.step_seconds
    order = sorted(voicing)
    count = max(1, int(length / each))
    return [Tone(bar, step + i * each, each, order[i % len(order)], 0.9) for i in range(count)]


def write_pad(plan: Plan, player: Instrument, bars: range) -> list[Tone]:
    """Held chords; on bagpipes and in styles with a drone tonic and fifth throughout."""
    if player.name == "bagpipes" or plan.style.drone:
        drone = nearest(plan.tonic, 50)
        return [
            Tone(bars.start, 0, len(bars) * plan.grid.steps, pitch, 0.8) for pitch in (drone, drone + 7, drone + 12)
        ]
    centre = 64.0 if player.low >= 57 else 56.0
    voicing: tuple[int, ...] = ()
    tones: list[Tone] = []
    for bar in bars:
        for index, chord in enumerate(plan.chords[bar]):
            same = bar > bars.start and chord == plan.chords[bar - 1][-1] and index == 0
            share = plan.grid.steps / len(plan.chords[bar])
            voicing = voice_chord(chord, centre, voicing)[:3]
            if same:
                tones = _extend(tones, share, len(voicing))
                continue
            tones += [Tone(bar, index * share, share, pitch, 0.8) for pitch in voicing]
    return tones


def _extend(tones: list[Tone], steps: float, count: int) -> list[Tone]:
    held = [Tone(t.bar, t.step, t.length + steps, t.pitch, t.weight) for t in tones[-count:]]
    return tones[:-count] + held


def write_counter(rng: np.random.Generator, plan: Plan, player: Instrument, bars: range) -> list[Tone]:
    """The style's second line; without one, long chord tones that move by step, or broken chords on what dies away."""
    if plan.style.lines.get(plan.grid.meter):
        return _figured_line(rng, plan, player, bars)
    steps = plan.grid.steps
    centre = int(np.clip((player.low + player.high) / 2 - 5, 48, 74))
    ladder = scale_pitches(plan.tonic, SCALES[plan.mode], centre - 9, centre + 9)
    place = len(ladder) // 2
    tones: list[Tone] = []
    every = steps // 2 if player.sustain else max(2, steps // 8)
    for bar in bars:
        for step in range(0, steps, every):
            chord = chord_at(plan, bar, step)
            if player.sustain:
                place = int(np.clip(place + rng.choice([-1, 0, 1]), 0, len(ladder) - 1))
                near = sorted(ladder, key=lambda p: (p % 12 not in chord.pitch_classes[:3], abs(p - ladder[place])))
                tones.append(Tone(bar, step, every, near[0], 0.8))
                continue
            voicing = voice_chord(chord, centre)
            turn = (step // every) % (2 * len(voicing) - 2 or 1)
            rank = turn if turn < len(voicing) else 2 * len(voicing) - 2 - turn
            tones.append(Tone(bar, step, every * 1.2, voicing[rank], 0.8))
    return tones


def _figured_line(rng: np.random.Generator, plan: Plan, player: Instrument, bars: range) -> list[Tone]:
    figures = _figures(rng, plan.style.lines[plan.grid.meter], plan)
    centre = float(np.clip((player.low + player.high) / 2 - 4, 48, 76))
    voicing: tuple[int, ...] = ()
    tones: list[Tone] = []
    for bar in bars:
        pattern = figures[plan.letter(bar)][bar % 4 == 3]
        for step, length in parse_cell(pattern):
            chord = chord_at(plan, bar, step)
            voicing = voice_chord(chord, centre, voicing)[:4]
            tones += _strike(plan, pattern[step], chord, voicing, bar, step, length)
    return tones
