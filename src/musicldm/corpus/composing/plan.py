"""Everything about a clip that is decided before a note is written."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from musicldm.corpus.composing.form import Passage, draw_passages
from musicldm.corpus.composing.seeds import stream
from musicldm.corpus.composing.theory import DARK_MODES, Chord, parse_chord
from musicldm.corpus.composing.timing import Grid, swing_for
from musicldm.corpus.sound.instruments import INSTRUMENTS, Instrument
from musicldm.corpus.styles.style import Style
from musicldm.corpus.truth import ENERGIES, KEYS, QUALITIES

CLEAN_SHARE = 0.72
PRESENCE = {"lead": 0.86, "drums": 0.88, "bass": 0.97, "chords": 0.97, "pad": 0.0, "counter": 0.0}
# How much a mood likes a mode from the dark side.
_DARKNESS = {
    "happy": 0.12, "playful": 0.3, "calm": 0.8, "dreamy": 1.0, "epic": 1.2, "sad": 5.0, "dark": 7.0, "tense": 5.0,
}  # fmt: skip


@dataclass(frozen=True)
class Character:
    """What a mood does to the playing.

    tempo: share of the genre's range; register: semitones of the lead; tilt: decibels of treble; touch, gate and room:
    factors on velocity, note length and reverberation time; density: towards many notes (above 0) or few.
    """

    tempo: float
    register: int
    tilt: float
    touch: float
    gate: float
    room: float
    density: float


CHARACTERS = {
    "happy": Character(0.12, 4, 2.5, 1.06, 0.92, 0.8, 0.2),
    "playful": Character(0.1, 7, 2.0, 1.0, 0.52, 0.7, 0.3),
    "calm": Character(-0.2, -1, -2.5, 0.78, 1.05, 1.2, -0.5),
    "dreamy": Character(-0.12, 3, -1.0, 0.82, 1.15, 2.2, -0.3),
    "sad": Character(-0.22, -4, -3.0, 0.82, 1.1, 1.3, -0.4),
    "dark": Character(-0.05, -8, -5.0, 1.0, 1.0, 1.2, -0.1),
    "tense": Character(0.1, 1, 1.0, 1.08, 0.6, 0.8, 0.35),
    "epic": Character(0.05, 3, 1.5, 1.18, 1.08, 1.6, 0.1),
}


@dataclass(frozen=True)
class Plan:
    """A clip's attributes, instruments by role, bars and chords."""

    style: Style
    grid: Grid
    tonic: int
    mode: str
    mood: str
    energy: str
    quality: str
    players: Mapping[str, Instrument]
    passages: tuple[Passage, ...]
    chords: tuple[tuple[Chord, ...], ...]
    """Per bar its chords, each filling an equal share of the bar."""

    @property
    def key(self) -> str:
        return KEYS[self.tonic]

    @property
    def character(self) -> Character:
        return CHARACTERS[self.mood]

    @property
    def force(self) -> float:
        """-1 low energy, 0 medium, 1 high."""
        return ENERGIES.index(self.energy) - 1.0

    def letter(self, bar: int) -> str:
        """The letter of the section in which a bar lies."""
        return next(passage.letter for passage in self.passages if bar in passage.bars)

    def next_chord(self, bar: int) -> Chord:
        """The chord with which the bar after `bar` begins."""
        return self.chords[min(bar + 1, len(self.chords) - 1)][0]


def pick(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """One name, drawn by weight."""
    names = list(weights)
    chances = np.array([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=chances / chances.sum()))]


def draw_plan(seed: int, style: Style, *, seconds: float) -> Plan:
    """Draws mood, mode, key, energy, meter, players, tempo, quality, form and chords."""
    rng = stream(seed, style.name, "plan")
    mood = pick(rng, style.moods)
    mode = pick(rng, {m: w * (_DARKNESS[mood] if m in DARK_MODES else 1.0) for m, w in style.modes.items()})
    tonic = int(rng.integers(12))
    energy = pick(rng, _energy_weights(style, mood))
    meter = pick(rng, style.meters)
    players = _draw_players(stream(seed, style.name, "players"), style, energy, meter)
    grid = _draw_grid(stream(seed, style.name, "tempo"), style, meter, mood, energy, seconds)
    quality = "clean" if rng.random() < CLEAN_SHARE else QUALITIES[1 + int(rng.integers(len(QUALITIES) - 1))]
    passages = draw_passages(stream(seed, style.name, "form"), style, grid.bars)
    chords = _draw_chords(stream(seed, style.name, "harmony"), style, mode, tonic, passages)
    return Plan(style, grid, tonic, mode, mood, energy, quality, players, passages, chords)


def _energy_weights(style: Style, mood: str) -> dict[str, float]:
    loud = {"happy": 0.1, "playful": 0.05, "calm": -0.9, "dreamy": -0.5, "sad": -0.4, "dark": 0.0, "tense": 0.4}
    bias = loud.get(mood, 0.7) + style.energy_bias
    return {"low": float(np.exp(-bias)), "medium": 1.3, "high": float(np.exp(bias))}


def _draw_grid(rng: np.random.Generator, style: Style, meter: str, mood: str, energy: str, seconds: float) -> Grid:
    low, high = style.tempo_in(meter)
    lean = np.clip(0.5 + 0.22 * (ENERGIES.index(energy) - 1) + CHARACTERS[mood].tempo, 0.15, 0.85)
    # Folded back at the ends of the range, so that no tempo piles up there.
    place = 1 - abs(1 - abs(float(lean) + float(rng.uniform(-0.35, 0.35))))
    bpm = round(low + (high - low) * place, 2)
    swing, unit = swing_for(style.swing, float(rng.random()))
    bar = Grid(meter, bpm, 0.0, seconds).bar_seconds
    origin = -float(rng.uniform(0, bar)) if rng.random() < 0.6 else 0.0
    return Grid(meter, bpm, round(origin, 6), seconds, swing, unit)


def _draw_players(rng: np.random.Generator, style: Style, energy: str, meter: str) -> dict[str, Instrument]:
    tables = {
        "lead": style.leads,
        "chords": style.keys,
        "bass": style.basses,
        "pad": style.pads,
        "counter": style.counters,
        "drums": style.kits if meter in style.drums else {},
    }
    extra = {"low": 0.5, "medium": 1.0, "high": 1.6}[energy]
    players: dict[str, Instrument] = {}
    for role, table in tables.items():
        chance = style.presence.get(role, PRESENCE[role]) * (extra if role in ("pad", "counter") else 1.0)
        here, choice = rng.random() < chance, _draw_instrument(rng, table, players.get("lead"), role)
        if here and choice is not None:
            players[role] = choice
    if "lead" not in players or "drums" not in players:
        # What remains must still tell the genre.
        for role, table in (("chords", style.keys), ("bass", style.basses)):
            choice = _draw_instrument(rng, table, players.get("lead"), role)
            if role not in players and style.presence.get(role, 1.0) > 0.5 and choice is not None:
                players[role] = choice
    return players


def _draw_instrument(
    rng: np.random.Generator, table: Mapping[str, float], lead: Instrument | None, role: str
) -> Instrument | None:
    """One of the table; where it can, accompaniment stays out of the lead's family so that the lead stands out."""
    if not table:
        return None
    apart = {name: w for name, w in table.items() if lead is None or INSTRUMENTS[name].family != lead.family}
    other = {name: w for name, w in table.items() if lead is None or name != lead.name}
    return INSTRUMENTS[pick(rng, table if role == "drums" else apart or other or table)]


def _draw_chords(
    rng: np.random.Generator, style: Style, mode: str, tonic: int, passages: tuple[Passage, ...]
) -> tuple[tuple[Chord, ...], ...]:
    """A progression for each letter of the form, counted from the bar in which its section began."""
    order = rng.permutation(len(style.progressions[mode]))
    length = style.chord_bars[int(rng.integers(len(style.chord_bars)))]
    chords: list[tuple[Chord, ...]] = []
    for passage in passages:
        symbols = style.progressions[mode][order[passage.rank % len(order)]].split()
        line = [parse_chord(symbol, tonic) for symbol in symbols]
        for bar in passage.bars:
            place = bar - passage.first
            if length == 0.5:
                chords.append((line[2 * place % len(line)], line[(2 * place + 1) % len(line)]))
            else:
                chords.append((line[int(place / length) % len(line)],))
    return tuple(chords)
