"""Who plays a part: a sound font's program or a patch of the synthesiser, drawn from the clip's seed where both can."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from musicldm.audio import Wave
from musicldm.corpus.composing.score import Note, Stem
from musicldm.corpus.sound.effects.inserts import Setting, insert
from musicldm.corpus.sound.instruments import Instrument
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.sound.stage import drum_place, place_of, stand
from musicldm.corpus.sound.synth import KITS, PATCHES, TRANSITION_KEYS, strike, transition
from musicldm.corpus.sound.waves import Clock, Hit, Voice, assemble, schedule
from musicldm.errors import DataError

_LEGATO_SECONDS = 0.03
_WIDEST_GLIDE = 12
_CHOKE_SECONDS = 0.02
_FALLBACK = "808"


Fonts = SoundFont | Sequence[SoundFont] | None


def font_for(instrument: Instrument, fonts: Fonts) -> SoundFont | None:
    """The first font that fits an instrument, or else the first; None if there is none."""
    each = [fonts] if isinstance(fonts, SoundFont) else list(fonts or ())
    return next((font for font in each if font.fits(instrument)), each[0] if each else None)


def play(stem: Stem, fonts: Fonts, clock: Clock, setting: Setting, rng: np.random.Generator, width: float) -> Wave:
    """A part's notes in its place: (2, clock.count). `width`: of the stage. Raises DataError if it needs a font."""
    instrument = stem.instrument
    font = font_for(instrument, fonts)
    place = place_of(stem.part.role, instrument, rng, width)
    patch = patch_of(instrument, font, rng)
    if instrument.family == "drums":
        plan = schedule(stem.notes, clock, drums=True)
        return assemble(plan, _drum_voice(instrument, patch, font, clock.sample_rate, width), clock.count)
    if patch is None:
        voice = _font_voice(instrument, font, clock.sample_rate)
        return stand(assemble(schedule(stem.notes, clock), voice, clock.count), place)
    player = PATCHES[patch]
    notes = legato(stem.notes) if player.glide else stem.notes
    plan = schedule(notes, clock, glide=player.glide)
    wave = assemble(plan, lambda hit: player.play(hit, clock.sample_rate), clock.count)
    wave = player.finish(wave, clock.sample_rate, setting.phase)
    if player.inserts and len(wave) == 1:
        wave = np.repeat(wave, 2, axis=0)
    for name in player.inserts:
        wave = insert(wave, name, setting)
    return stand(wave, place)


def patch_of(instrument: Instrument, font: SoundFont | None, rng: np.random.Generator) -> str | None:
    """The patch or kit that plays, or None for the font's program. Always draws, so that later draws stay."""
    drawn = rng.random() < instrument.patch_share
    if instrument.patch is not None and (drawn or instrument.program is None or font is None):
        return instrument.patch
    return None


def legato(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Notes that follow another without a gap slide from its pitch, up to an octave."""
    slid: list[Note] = []
    for index, note in enumerate(notes):
        before = notes[index - 1] if index else None
        follows = before is not None and abs(note.start - before.end) < _LEGATO_SECONDS and before.start < note.start
        if before is not None and follows and not note.bend and 0 < abs(before.pitch - note.pitch) <= _WIDEST_GLIDE:
            note = replace(note, bend=float(before.pitch - note.pitch))
        slid.append(note)
    return tuple(slid)


def _font_voice(instrument: Instrument, font: SoundFont | None, sample_rate: int) -> Voice:
    if font is None:
        raise DataError(f"{instrument.name}: played by a sound font, and none is given")
    return lambda hit: font.play(instrument, hit, sample_rate)


def _drum_voice(
    instrument: Instrument, kit: str | None, font: SoundFont | None, sample_rate: int, width: float
) -> Voice:
    """Each drum in its place; one that is choked stops within 20 ms."""
    machine = None if kit is None else KITS[kit]
    ringing = _font_voice(instrument, font, sample_rate) if machine is None else None

    def voice(hit: Hit) -> Wave:
        if hit.pitch in TRANSITION_KEYS:
            return stand(transition(hit, sample_rate), replace(drum_place(0, width), width=width))
        free = replace(hit, length=None)
        if machine is None:
            assert ringing is not None
            wave = ringing(free)
        else:
            drum = machine.get(hit.pitch) or KITS[_FALLBACK].get(hit.pitch) or machine[38]
            wave = strike(drum, hit.pitch, hit.velocity, sample_rate)
        return stand(
            wave if hit.length is None else _choked(wave, hit.length, sample_rate), drum_place(hit.pitch, width)
        )

    return voice


def _choked(wave: Wave, length: float, sample_rate: int) -> Wave:
    count, fade = round(length * sample_rate), round(_CHOKE_SECONDS * sample_rate)
    cut = wave[:, : count + fade].copy()
    tail = cut[:, count:]
    tail *= np.linspace(1, 0, fade, dtype=np.float32)[: tail.shape[1]]
    return cut
