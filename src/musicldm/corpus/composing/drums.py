"""Drum patterns, their variations from bar to bar, and fills."""

import numpy as np

from musicldm.corpus.composing.plan import Plan
from musicldm.corpus.composing.score import Tone
from musicldm.corpus.composing.theory import nearest
from musicldm.corpus.styles.style import DRUM_KEYS

ORCHESTRAL = "orchestral percussion"
TIMPANI = range(41, 54)
"""The keys of an orchestral kit on which timpani are tuned, F to f."""
_WEIGHTS = {"X": 1.0, "x": 0.82, "o": 0.45, "2": 0.75, "3": 0.7}
# Fills that run over several drums, from the first to the last.
_RUNS = {
    "toms": "112233",
    "timbales": "TTtTtt",
    "congas": "CqCGCG",
    "surdos": "UUSS",
    "bongos": "BBgBgg",
    "blocks": "WWVWVV",
}
# Keys that every kit leaves to the synthesiser.
_RISER, _IMPACT = 27, 29
_QUIET_ROWS = "hopdmzevwCGrEiLVW"
_LONG_ROWS = "yYobISUl"


def parse_drums(pattern: str) -> dict[str, str]:
    """Row letter → one-bar string."""
    return dict(row.split(" ", 1) for row in pattern.split("|"))


def drum_keys(plan: Plan) -> dict[str, int]:
    """Row letter → MIDI note. An orchestral kit has timpani for toms, here on the key's tonic and fifth."""
    if plan.players["drums"].name != ORCHESTRAL:
        return DRUM_KEYS
    return DRUM_KEYS | {"3": nearest(plan.tonic, 46), "2": nearest((plan.tonic + 7) % 12, 47), "1": 38, "y": 57}


def write_drums(rng: np.random.Generator, plan: Plan, bars: range, accents: frozenset[int]) -> list[Tone]:
    """The groove over `bars`. `accents` are bars before which a fill leads and on which a cymbal may crash."""
    keys = drum_keys(plan)
    grooves = _grooves(rng, plan)
    fill = plan.style.fills[int(rng.integers(len(plan.style.fills)))]
    steps = plan.grid.steps
    tones: list[Tone] = []
    for bar in bars:
        groove = grooves[plan.letter(bar)]
        rows = _vary(rng, plan, groove) if bar % 2 else groove
        ends = bar + 1 in accents or (bar % 4 == 3 and rng.random() < 0.5)
        start = steps - steps // 4 * (2 if plan.force > 0 else 1) if ends and fill != "none" else steps
        tones += _play(rows, keys, plan, bar, start, keep_kick=fill not in ("break", "hat roll"))
        tones += _play_fill(rng, fill, keys, bar, start, steps)
        tones += _effects(rng, plan, bar, accents)
        if bar in accents and plan.force >= 0 and fill not in ("none", "rim") and rng.random() < 0.7:
            tones.append(Tone(bar, 0, 4, keys["y"], 0.8))
    return tones


def _effects(rng: np.random.Generator, plan: Plan, bar: int, accents: frozenset[int]) -> list[Tone]:
    """A riser that ends where something enters, and a blow there."""
    tones = []
    if bar + 1 in accents and bar > 0 and rng.random() < plan.style.risers:
        tones.append(Tone(bar, 0, plan.grid.steps, _RISER, 0.7))
    if bar in accents and rng.random() < plan.style.risers:
        tones.append(Tone(bar, 0, plan.grid.steps, _IMPACT, 0.8))
    return tones


def _grooves(rng: np.random.Generator, plan: Plan) -> dict[str, dict[str, str]]:
    """The groove of each letter of the form: another pattern for another letter, where there is one."""
    patterns = plan.style.drums[plan.grid.meter]
    order = rng.permutation(len(patterns))
    letters = sorted({passage.letter: passage.rank for passage in plan.passages}.items())
    return {letter: _thin(rng, plan, parse_drums(patterns[order[rank % len(order)]])) for letter, rank in letters}


def _thin(rng: np.random.Generator, plan: Plan, groove: dict[str, str]) -> dict[str, str]:
    """Low energy loses ghost notes and every other hi-hat; high energy keeps all and doubles eighths now and then."""
    if plan.force < 0:
        thin = {row: marks.replace("o", ".") if row in "sc" else marks for row, marks in groove.items()}
        for row in "h":
            if thin.get(row, "").count("x") > 8:
                thin[row] = "".join(m if i % 2 == 0 else "." for i, m in enumerate(thin[row]))
        return {row: marks for row, marks in thin.items() if set(marks) != {"."}}
    if plan.force > 0 and groove.get("h") == "x.x.x.x.x.x.x.x." and rng.random() < 0.3:
        return {**groove, "h": "xoxoxoxoxoxoxoxo"}
    return groove


def _vary(rng: np.random.Generator, plan: Plan, groove: dict[str, str]) -> dict[str, str]:
    """Now and then one more soft kick or a ghost on the snare; the beat itself stays."""
    rows = dict(groove)
    steady = rows.get("k", "").startswith("X...X...X...X") or plan.force < 0 or plan.style.human < 1
    for row, mark, chance in (("k", "x", 0.0 if steady else 0.25), ("s", "o", 0.2)):
        if row in rows and rng.random() < chance:
            free = [i for i, m in enumerate(rows[row]) if m == "." and i % plan.grid.steps_per_beat in (2, 3)]
            if free:
                at = free[int(rng.integers(len(free)))]
                rows[row] = rows[row][:at] + mark + rows[row][at + 1 :]
    return rows


def _play(
    rows: dict[str, str], keys: dict[str, int], plan: Plan, bar: int, until: int, *, keep_kick: bool
) -> list[Tone]:
    tones = []
    for row, marks in rows.items():
        for step, mark in enumerate(marks):
            if mark == "." or (step >= until and not (row == "k" and keep_kick and step in plan.grid.beat_steps)):
                continue
            length = 3.0 if row in _LONG_ROWS else 1.0
            weight = _WEIGHTS[mark] * (_pulse(plan, step) if row in _QUIET_ROWS else 1.0)
            strokes = int(mark) if mark.isdigit() else 1
            tones += [Tone(bar, step + i / strokes, length / strokes, keys[row], weight) for i in range(strokes)]
    return tones


def _pulse(plan: Plan, step: int) -> float:
    """How strongly a hand plays a step: beats before half beats before the rest, so that the meter is heard."""
    if step in plan.grid.beat_steps:
        return 1.0
    return 0.72 if step % 2 == 0 else 0.55


def _play_fill(
    rng: np.random.Generator, fill: str, keys: dict[str, int], bar: int, start: int, steps: int
) -> list[Tone]:
    """A run from `start` to the end of the bar; nothing where `start` is the end."""
    span = range(start, steps)
    if fill in _RUNS:
        rows = _RUNS[fill]
        return [
            Tone(bar, s, 1, keys[rows[(s - start) * len(rows) // len(span)]], 0.7 + 0.25 * (s - start) / len(span))
            for s in span
            if s % 2 == 0 or rng.random() < 0.6
        ]
    if fill in ("snare", "ghosts"):
        return [Tone(bar, s, 1, keys["s"], float(rng.choice([0.5, 0.8, 0.95]))) for s in span if rng.random() < 0.7]
    if fill == "snare roll":
        return [Tone(bar, s, 1, keys["s"], 0.5 + 0.5 * (s - start) / len(span)) for s in span]
    if fill == "hat roll":
        return [Tone(bar, s + h, 0.5, keys["h"], 0.55 + 0.2 * (h == 0)) for s in span for h in (0, 0.5)]
    if fill == "rim":
        return [Tone(bar, s, 1, keys["r"], 0.7) for s in span if s % 3 == 0]
    return []
