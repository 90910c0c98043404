"""The lead: a motif, its repetition and its variation."""

from dataclasses import dataclass

import numpy as np

from musicldm.corpus.composing.feels import FEELS, Feel, parse_cell
from musicldm.corpus.composing.plan import Plan, pick
from musicldm.corpus.composing.score import Tone
from musicldm.corpus.composing.theory import SCALES, Chord, nearest, scale_pitches
from musicldm.corpus.sound.instruments import Instrument

_FORMS = (("A", "A'", "B", "A"), ("A", "B", "A", "C"), ("A", "A", "B", "A'"), ("A", "B", "A'", "B'"))
_LOOPS = (("A", "A", "A", "A'"), ("A", "A", "A", "A"), ("A", "A'", "A", "A'"))


Rhythm = tuple[tuple[int, int], ...]
Motif = tuple[Rhythm, tuple[float, ...]]


@dataclass(frozen=True)
class Line:
    """What holds for a whole melody: the pitches it may use, rising, and the rung around which it moves."""

    plan: Plan
    feel: Feel
    ladder: tuple[int, ...]
    place: float


def write_melody(rng: np.random.Generator, plan: Plan, player: Instrument, bars: range) -> list[Tone]:
    """The lead's tones over `bars`."""
    feel = FEELS[_feel_name(rng, plan)]
    ladder = _ladder(plan, player)
    banks = {letter: _draw_motifs(rng, feel, plan) for letter in sorted({p.letter for p in plan.passages})}
    forms = _LOOPS if feel.loop else _FORMS
    form = forms[int(rng.integers(len(forms)))]
    line = Line(plan, feel, ladder, (len(ladder) - 1) / 2 + float(rng.uniform(-1, 1)))
    tones: list[Tone] = []
    for bar in bars:
        name = form[(bar - bars.start) % 4]
        motif = banks[plan.letter(bar)][name[0]]
        contour = _vary(rng, motif[1]) if name.endswith("'") else motif[1]
        ends_phrase = (bar - bars.start) % 4 == 3 and not feel.loop
        tones += _realise(rng, line, bar, motif[0], contour, ends_phrase)
    return tones


def _feel_name(rng: np.random.Generator, plan: Plan) -> str:
    weights = {name: w for name, w in plan.style.feels.items() if plan.grid.meter in FEELS[name].cells}
    return pick(rng, weights)


def _ladder(plan: Plan, player: Instrument) -> tuple[int, ...]:
    """The pitches the lead may use, about an octave and a half inside the instrument's range."""
    steps = SCALES[plan.style.melody_scale.get(plan.mode, plan.mode)]
    shift = plan.character.register + 2 * plan.force
    centre = (player.low + player.high) / 2 + shift
    low = int(np.clip(centre - 9, player.low - 2, player.high - 12))
    return scale_pitches(plan.tonic, steps, low, min(low + 19, player.high + 2))


def _draw_motifs(rng: np.random.Generator, feel: Feel, plan: Plan) -> dict[str, Motif]:
    cells = feel.cells[plan.grid.meter]
    density = plan.character.density + 0.2 * plan.force
    ranked = sorted(cells, key=lambda cell: len(parse_cell(cell)) * density * 1.5 + float(rng.normal(0, 1.2)))
    bank = {}
    for index, name in enumerate("ABC"):
        rhythm = parse_cell(ranked[-1 - index % len(ranked)])
        steps = rng.normal(0, feel.leap, len(rhythm))
        # An arch: the line rises in its first half and falls in its second, or the other way round.
        arch = np.sin(np.linspace(0, np.pi, len(rhythm))) * rng.choice([-1.5, 2.0, 2.5])
        contour = np.cumsum(np.clip(steps, -4, 4)) * 0.7 + arch
        contour -= contour.mean() - rng.normal(0, 0.5)
        bank[name] = (rhythm, tuple(float(c) for c in contour))
    return bank


def _vary(rng: np.random.Generator, contour: tuple[float, ...]) -> tuple[float, ...]:
    """The motif with a new ending, and sometimes moved by a degree or two."""
    kept = max(1, int(len(contour) * rng.uniform(0.4, 0.75)))
    shift = float(rng.choice([0, 0, 1, -1, 2]))
    return tuple(c + shift if i < kept else c + float(rng.normal(0, 1.6)) for i, c in enumerate(contour))


def chord_at(plan: Plan, bar: int, step: float) -> Chord:
    """The chord that sounds at a step of a bar."""
    chords = plan.chords[bar]
    return chords[min(int(step / plan.grid.steps * len(chords)), len(chords) - 1)]


def _realise(
    rng: np.random.Generator, line: Line, bar: int, rhythm: Rhythm, contour: tuple[float, ...], ends_phrase: bool
) -> list[Tone]:
    """One bar of the melody: the contour on the ladder, drawn to the chord where it matters."""
    steps, beat = line.plan.grid.steps, line.plan.grid.steps_per_beat
    tones: list[Tone] = []
    for index, ((step, length), height) in enumerate(zip(rhythm, contour, strict=True)):
        pitch = _pitch(rng, line, bar, step, length, height, tones)
        if ends_phrase and index == len(rhythm) - 1:
            pitch, length = _rest_pitch(pitch, line.plan, chord_at(line.plan, bar, step), line.ladder), steps - step
        weight = 1.0 if step in line.plan.grid.beat_steps else 0.86
        tones.append(Tone(bar, step, length * line.feel.gate, pitch, weight))
        if ends_phrase and step >= steps * 0.55 and length >= beat // 2:
            break
    return tones


def _pitch(
    rng: np.random.Generator, line: Line, bar: int, step: int, length: int, height: float, before: list[Tone]
) -> int:
    feel, ladder = line.feel, line.ladder
    beat = line.plan.grid.steps_per_beat
    rung = int(np.clip(round(line.place + height), 0, len(ladder) - 1))
    pitch = ladder[rung]
    strong = step in line.plan.grid.beat_steps[::2] or length >= beat
    if strong or (feel.chordal and rng.random() < feel.chordal):
        pitch = _to_chord(pitch, chord_at(line.plan, bar, step), ladder[0], ladder[-1])
    if before and before[-1].pitch == pitch and not feel.loop and rng.random() < 0.5:
        pitch = ladder[int(np.clip(rung + rng.choice([-1, 1]), 0, len(ladder) - 1))]
    if feel.chromatic and before and length <= 2 and rng.random() < feel.chromatic:
        pitch += -1 if pitch - 1 > ladder[0] else 1
    return pitch


def _rest_pitch(pitch: int, plan: Plan, chord: Chord, ladder: tuple[int, ...]) -> int:
    """Where a phrase comes to rest: on the tonic if the chord has it, else on the chord's nearest tone."""
    if plan.tonic in chord.pitch_classes:
        home = nearest(plan.tonic, pitch)
        if ladder[0] - 2 <= home <= ladder[-1] + 2:
            return home
    return _to_chord(pitch, chord, ladder[0], ladder[-1])


def _to_chord(pitch: int, chord: Chord, low: int, high: int) -> int:
    """The chord's root, third or fifth nearest to `pitch`."""
    classes = {chord.root, (chord.root + chord.third) % 12, (chord.root + chord.fifth) % 12}
    near = [p for p in range(pitch - 5, pitch + 6) if p % 12 in classes and low - 2 <= p <= high + 2]
    return min(near, key=lambda p: (abs(p - pitch), p)) if near else pitch


_HARMONIC = ("piano", "guitar", "mallets", "plucked", "organ", "synth lead", "voice", "strings")


def harmonise(rng: np.random.Generator, plan: Plan, player: Instrument, tones: list[Tone]) -> list[Tone]:
    """Sometimes the whole lead in thirds or sixths below, on instruments that play more than one note at a time."""
    if rng.random() >= plan.style.harmony or player.family not in _HARMONIC:
        return tones
    ladder = scale_pitches(plan.tonic, SCALES[plan.mode], 30, 110)
    down = int(rng.choice([2, 2, 5]))
    seconds = []
    for tone in tones:
        under = [pitch for pitch in ladder if pitch <= tone.pitch]
        seconds.append(Tone(tone.bar, tone.step, tone.length, under[-1 - down], tone.weight * 0.8))
    return tones + seconds
