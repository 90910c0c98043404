"""Who plays a part: a sound font's program or a patch of the synthesiser, drawn from the clip's seed where both can."""

import numpy as np

from musicldm.corpus.composing.score import Stem
from musicldm.corpus.sound.effects.inserts import Setting
from musicldm.corpus.sound.instruments import Instrument
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.sound.stage import drum_place, place_of, stand
from musicldm.corpus.sound.waves import Clock, Voice, Wave, assemble, schedule
from musicldm.errors import DataError


def play(
    stem: Stem, font: SoundFont | None, clock: Clock, setting: Setting, rng: np.random.Generator, width: float
) -> Wave:
    """A part's notes in its place: (2, clock.count). `width`: of the stage. Raises DataError if it needs a font."""
    instrument = stem.instrument
    drums = instrument.family == "drums"
    place = place_of(stem.part.role, instrument, rng, width)
    voice = _voice(instrument, font, clock.sample_rate)
    if drums:
        return assemble(schedule(stem.notes, clock, rings=True), _placed(voice, width), clock.count)
    wave = assemble(schedule(stem.notes, clock, rings=False), voice, clock.count)
    return stand(wave, place)


def _placed(voice: Voice, width: float) -> Voice:
    return lambda hit: stand(voice(hit), drum_place(hit.pitch, width))


def _voice(instrument: Instrument, font: SoundFont | None, sample_rate: int) -> Voice:
    if font is None:
        raise DataError(f"{instrument.name}: played by a sound font, and none is given")
    return lambda hit: font.play(instrument, hit, sample_rate)
