"""A plan and its stems to what is known exactly of the clip."""

from collections.abc import Mapping, Sequence

from musicldm.corpus.composing.drums import ORCHESTRAL, TIMPANI
from musicldm.corpus.composing.form import Presence
from musicldm.corpus.composing.melody import chord_at
from musicldm.corpus.composing.plan import Plan
from musicldm.corpus.composing.score import Note, Stem
from musicldm.corpus.composing.theory import Chord
from musicldm.corpus.truth import KEYS, Section, Truth

_KINDS = {
    "kick": (35, 36),
    "snare": (38, 40),
    "rim": (37,),
    "clap": (39,),
    "closed hat": (42, 44),
    "open hat": (46,),
    "tom": (41, 43, 45, 47, 48, 50),
    "crash": (49, 52, 55, 57),
    "ride": (51, 53, 59),
    "tambourine": (54,),
    "cowbell": (56,),
    "bongo": (60, 61),
    "conga": (62, 63, 64),
    "timbale": (65, 66),
    "agogo": (67, 68),
    "shaker": (69, 70, 82),
    "guiro": (73, 74),
    "claves": (75,),
    "wood block": (76, 77),
    "cuica": (78, 79),
    "triangle": (80, 81),
    "castanets": (85,),
    "surdo": (86, 87),
    "effect": (27, 28, 29, 30, 31),
}
_KIND_OF = {key: kind for kind, keys in _KINDS.items() for key in keys}


def describe(
    plan: Plan, stems: tuple[Stem, ...], presence: Mapping[str, Presence], production: tuple[str, ...], seed: int
) -> Truth:
    """The truth of a clip."""
    notes = {stem.part.role: _inside(stem.notes, plan.grid.seconds) for stem in stems}
    return Truth(
        genre=plan.style.name,
        bpm=plan.grid.bpm,
        meter=plan.grid.meter,
        key=plan.key,
        mode=plan.mode,
        drums="drums" in plan.players,
        instruments=tuple(stem.part for stem in stems),
        mood=plan.mood,
        energy=plan.energy,
        quality=plan.quality,
        beats=plan.grid.beats(),
        downbeats=plan.grid.downbeats(),
        duration=plan.grid.seconds,
        seed=seed,
        production=production,
        sections=_sections(plan, presence),
        chords=tuple(chord_label(chord_at(plan, bar, step)) for bar, step in plan.grid.beat_places()),
        bass=_bass_by_beat(plan, notes.get("bass", ())),
        melody=tuple((round(n.start, 3) + 0.0, round(n.end, 3), n.pitch) for n in _upper(notes.get("lead", ()))),
        onsets=_onsets(plan, notes.get("drums", ())),
    )


def chord_label(chord: Chord) -> str:
    """A chord in the notation of Harte et al. (ISMIR 2005): "A:min7"."""
    return f"{KEYS[chord.root]}:{chord.quality}"


def _inside(notes: Sequence[Note], seconds: float) -> tuple[Note, ...]:
    """The notes of which something is heard in the clip."""
    return tuple(note for note in notes if note.end > 0 and note.start < seconds)


def _upper(notes: Sequence[Note]) -> list[Note]:
    """The upper voice where the lead plays in thirds or sixths."""
    tops: dict[float, Note] = {}
    for note in notes:
        tops[note.start] = max(tops.get(note.start, note), note, key=lambda n: n.pitch)
    return list(tops.values())


def _sections(plan: Plan, presence: Mapping[str, Presence]) -> tuple[Section, ...]:
    """Stretches in which neither the form's letter nor the playing parts change."""
    states = [
        (plan.letter(bar), tuple(r for r, p in presence.items() if bar in p.bars and bar not in p.rests))
        for bar in range(plan.grid.bars)
    ]
    borders = [bar for bar in range(len(states)) if bar == 0 or states[bar] != states[bar - 1]]
    found = []
    for start, stop in zip(borders, [*borders[1:], plan.grid.bars], strict=True):
        begin, end = max(0.0, plan.grid.time(start, 0)), min(plan.grid.seconds, plan.grid.time(stop, 0))
        if end > begin:
            found.append(Section(round(begin, 3), round(end, 3), *states[start]))
    return tuple(found)


def _bass_by_beat(plan: Plan, notes: Sequence[Note]) -> tuple[int, ...]:
    """The pitch class of the bass note that sounds on each beat, else of the first that begins in it, else -1."""
    beats = plan.grid.beats()
    ends = (*beats[1:], plan.grid.seconds)[: len(beats)]
    slack = 0.5 * plan.grid.step_seconds
    found = []
    for beat, end in zip(beats, ends, strict=True):
        here = [n for n in notes if abs(n.start - beat) < slack] or [n for n in notes if n.start < beat < n.end]
        here = here or [n for n in notes if beat <= n.start < end]
        found.append(here[0].pitch % 12 if here else -1)
    return tuple(found)


def _onsets(plan: Plan, notes: Sequence[Note]) -> dict[str, tuple[float, ...]]:
    kinds = _KIND_OF
    if notes and plan.players["drums"].name == ORCHESTRAL:
        kinds = kinds | dict.fromkeys(TIMPANI, "tom")
    found: dict[str, list[float]] = {}
    for note in notes:
        if note.start >= 0:
            found.setdefault(kinds.get(note.pitch, "percussion"), []).append(round(note.start, 3))
    return {kind: tuple(times) for kind, times in sorted(found.items())}
