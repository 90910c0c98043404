"""The lead: a motif, its repetition and its variation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from musicldm.corpus.instruments import Instrument
from musicldm.corpus.plan import Plan
from musicldm.corpus.theory import SCALES, Chord, nearest, scale_pitches

_FORMS = (("A", "A'", "B", "A"), ("A", "B", "A", "C"), ("A", "A", "B", "A'"), ("A", "B", "A'", "B'"))
_LOOPS = (("A", "A", "A", "A'"), ("A", "A", "A", "A"), ("A", "A'", "A", "A'"))


@dataclass(frozen=True)
class Feel:
    """How a lead moves.

    cells: one-bar rhythms by meter (x onset, - hold, . rest); leap: spread of the steps in scale degrees; gate: played
    share of a written note; loop: repeats one bar with hardly a change; chromatic: approaches chord tones by semitone.
    """

    cells: Mapping[str, tuple[str, ...]]
    leap: float = 1.5
    gate: float = 0.92
    loop: bool = False
    chromatic: float = 0.0
    chordal: float = 0.0


@dataclass(frozen=True)
class Tone:
    """A note before it is played: bar, step and length in steps, pitch, weight 0-1."""

    bar: int
    step: float
    length: float
    pitch: int
    weight: float


FEELS: Mapping[str, Feel] = {
    "song": Feel(
        {
            "4/4": ("x---x---x-x-x---", "x-----x-x---x---", "x---x-x-x-------", "..x-x-x-x---x-x-", "x--x--x-x-x-x---"),
            "3/4": ("x---x---x---", "x-------x-x-", "x-----x-x---", "x-x-x---x---"),
            "6/8": ("x---x-x-----", "x-x-x-x---x-", "x-----x---x-"),
        }
    ),
    "sparse": Feel(
        {
            "4/4": ("x-----x---------", "....x-x-x-------", "x-x-x-------....", "x-------..x-x---", "..x---x-----x---"),
            "3/4": ("x-------x---", "....x-x-----"),
            "6/8": ("x-----x-----", "....x-x-----"),
        },
        leap=1.7,
    ),
    "busy": Feel(
        {
            "4/4": ("x-x-xxx-x-x-xxx-", "xxx-xxx-x-x-x-x-", "x-xxx-xxx-xxx---", "x-x-x-x-xxxxx-x-", "xxxxx-x-xxxxx---"),
            "3/4": ("x-x-xxx-x-x-", "xxx-x-x-x-x-", "x-xxx-x-x---"),
            "6/8": ("x-xxx-x-x-x-", "x-x-x-xxx-x-"),
        },
        leap=1.3,
        gate=0.85,
        chordal=0.25,
    ),
    "blues": Feel(
        {
            "4/4": ("x-x-x---..x-x---", "..x-x-x-x-------", "x---x-x-x-x-....", "....x-x-x-x-x---", "x-x-x-x-x---...."),
            "6/8": ("x-x-x-x-----", "..x-x-x---..", "x---x-x-x---", "x-x-x-x-x-x-"),
        },
        leap=1.4,
        chromatic=0.1,
    ),
    "stab": Feel(
        {
            "4/4": ("x..x..x.....x.x.", "..x..x..xx......", "x.x...x..x..x...", "x......x..x.xx..", "..xx..x...xx..x."),
        },
        leap=1.6,
        gate=0.6,
    ),
    "riff": Feel(
        {
            "4/4": ("x-x-x-xxx-x-x---", "xx-x-xx-x-x-x-x-", "x---x-x-x---xxx-", "x-xx-xx-x-xx-xx-"),
            "6/8": ("x-xxx-x-xxx-", "x-x-x-x-x-x-"),
        },
        leap=1.8,
        loop=True,
    ),
    "floating": Feel(
        {
            "4/4": ("x-------x-------", "x-----------x---", "....x-----------", "x---x-----------", "x-----x-----x---"),
            "3/4": ("x-----------", "x-------x---"),
        },
        leap=2.0,
        gate=1.1,
    ),
    "bossa": Feel(
        {
            "4/4": ("x--x--x---x-x---", "..x-x--x--x-----", "x-x-x--x------..", "..x--x--x-x-x---", "x---x--x--x--x--"),
        },
        leap=1.4,
        chromatic=0.12,
    ),
    "jig": Feel(
        {
            "4/4": ("x-xxx-xxx-xxx-xx", "xxx-xxx-xxx-xxx-", "x-x-xxx-x-xxx-x-", "xxxxx-xxxxxxx-x-"),
            "6/8": ("x-x-x-x-x-x-", "x---x-x-x-x-", "x-x-x-x---x-", "xxx-x-x-x-x-"),
        },
        leap=1.4,
        gate=0.9,
        chordal=0.3,
    ),
    "long": Feel(
        {
            "4/4": ("x-------x---x---", "x-----------x-x-", "x-----x-x-------", "x---------------", "x---x---x-------"),
            "3/4": ("x-------x---", "x-----------", "x---x---x---"),
            "6/8": ("x-----x-----", "x-----------", "x---x-x-----"),
        },
        leap=1.5,
        gate=1.02,
    ),
    "classical": Feel(
        {
            "4/4": ("x---x-x-x-x-x---", "x-xxx-x-x---x---", "x-----xxx---x---", "x-x-x-x-xxxxx---", "x---xxxxx---x-x-"),
            "3/4": ("x---x-x-x-x-", "x-----x-x---", "x-xxx---x---", "x-x-x-x-x-x-", "x---x---xxxx"),
            "6/8": ("x---x-x---x-", "x-x-x-x-----", "x--xx-x---x-", "x-x-x-x-x-x-"),
        },
        leap=1.3,
        chordal=0.2,
    ),
    "bebop": Feel(
        {
            "4/4": ("x-x-x-x-x-x-x-x-", "..x-x-x-x-x-x---", "x---x-x-x-x---x-", "..x-x-x---x-x---", "x-x-x---..x-x-x-"),
            "3/4": ("x-x-x-x-x-x-", "..x-x-x-x---", "x---x-x---x-"),
        },
        leap=1.5,
        chromatic=0.22,
        chordal=0.25,
    ),
    "synth": Feel(
        {
            "4/4": ("x--x--x-x--x--x-", "x-x-..x-x-x-..x-", "x---x-x-x-x-x---", "x-x-x-x-x-x-x-x-", "x--x--x---x-x---"),
        },
        leap=1.7,
        gate=0.8,
        chordal=0.2,
    ),
    "loop": Feel(
        {
            "4/4": ("x-x-x---x-x-x---", "x--x--x-....x-x-", "x-..x-..x-x-x-..", "xx..x-x-..x-x---"),
        },
        leap=1.6,
        gate=0.75,
        loop=True,
    ),
    "acid": Feel(
        {
            "4/4": ("x.xx.xx.x.xx.xx.", "xxxx.xxxx.xx.x.x", "x..x..x..x..x.x.", "..x..x.x..x..x.x", "x.x.xx.xx.x.xx.x"),
        },
        leap=2.2,
        gate=0.6,
        loop=True,
    ),
}


def parse_cell(cell: str) -> tuple[tuple[int, int], ...]:
    """(step, length in steps) of each note of a pattern; any mark other than "-" and "." begins a note."""
    onsets = []
    for step, mark in enumerate(cell):
        if mark not in "-.":
            length = 1
            while step + length < len(cell) and cell[step + length] == "-":
                length += 1
            onsets.append((step, length))
    return tuple(onsets)


def write_melody(rng: np.random.Generator, plan: Plan, player: Instrument, bars: range) -> list[Tone]:
    """The lead's tones over `bars`."""
    feel = FEELS[_feel_name(rng, plan)]
    ladder = _ladder(plan, player)
    bank = _draw_motifs(rng, feel, plan)
    forms = _LOOPS if feel.loop else _FORMS
    form = forms[int(rng.integers(len(forms)))]
    place = (len(ladder) - 1) / 2 + float(rng.uniform(-1, 1))
    tones: list[Tone] = []
    for bar in bars:
        name = form[(bar - bars.start) % 4]
        motif = bank[name[0]]
        contour = _vary(rng, motif[1]) if name.endswith("'") else motif[1]
        ends_phrase = (bar - bars.start) % 4 == 3 and not feel.loop
        tones += _realise(rng, plan, feel, ladder, place, bar, motif[0], contour, ends_phrase)
    return tones


def _feel_name(rng: np.random.Generator, plan: Plan) -> str:
    weights = {name: w for name, w in plan.style.feels.items() if plan.grid.meter in FEELS[name].cells}
    names = list(weights) or ["song"]
    chances = np.array([weights.get(name, 1.0) for name in names])
    return names[int(rng.choice(len(names), p=chances / chances.sum()))]


def _ladder(plan: Plan, player: Instrument) -> tuple[int, ...]:
    """The pitches the lead may use, about an octave and a half inside the instrument's range."""
    steps = plan.style.melody_scale.get(plan.mode, SCALES[plan.mode])
    shift = plan.character.register + 2 * plan.force
    centre = (player.low + player.high) / 2 + shift
    low = int(np.clip(centre - 9, player.low - 2, player.high - 12))
    return scale_pitches(plan.tonic, steps, low, min(low + 19, player.high + 2))


Motif = tuple[tuple[tuple[int, int], ...], tuple[float, ...]]


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
    rng: np.random.Generator,
    plan: Plan,
    feel: Feel,
    ladder: tuple[int, ...],
    place: float,
    bar: int,
    rhythm: tuple[tuple[int, int], ...],
    contour: tuple[float, ...],
    ends_phrase: bool,
) -> list[Tone]:
    tones: list[Tone] = []
    beat = plan.grid.steps_per_beat
    for index, ((step, length), height) in enumerate(zip(rhythm, contour, strict=True)):
        chord = chord_at(plan, bar, step)
        rung = int(np.clip(round(place + height), 0, len(ladder) - 1))
        pitch = ladder[rung]
        strong = step % (2 * beat) == 0 or length >= beat
        if strong or (feel.chordal and rng.random() < feel.chordal):
            pitch = _to_chord(pitch, chord, ladder[0], ladder[-1])
        if tones and tones[-1].pitch == pitch and not feel.loop and rng.random() < 0.5:
            pitch = ladder[int(np.clip(rung + rng.choice([-1, 1]), 0, len(ladder) - 1))]
        if feel.chromatic and tones and length <= 2 and rng.random() < feel.chromatic:
            pitch += -1 if pitch - 1 > ladder[0] else 1
        weight = 1.0 if step % beat == 0 else 0.86
        last = index == len(rhythm) - 1
        if ends_phrase and last:
            pitch, length = _rest_pitch(pitch, plan, chord, ladder), plan.grid.steps - step
        tones.append(Tone(bar, step, length * feel.gate, pitch, weight))
        if ends_phrase and step >= plan.grid.steps * 0.55 and length >= beat // 2:
            break
    return tones


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
