"""A score to sound: each part played, put in its place, brought to its level; then room, mix and master.

Stems are rendered one by one so that the mix follows from loudness, not from how loud a font recorded an instrument.
Everything happens in stereo; mono is the mid of it.
"""

from dataclasses import dataclass

import numpy as np

from musicldm.audio import Wave
from musicldm.corpus.composing.score import Score, Stem
from musicldm.corpus.sound.effects.delays import echo
from musicldm.corpus.sound.effects.dynamics import pump_gain, punch_gain
from musicldm.corpus.sound.effects.inserts import Setting, insert
from musicldm.corpus.sound.effects.rooms import SPACES, response, reverberate
from musicldm.corpus.sound.mastering import master, tone
from musicldm.corpus.sound.mixing import balance, sweep
from musicldm.corpus.sound.players import Fonts, play
from musicldm.corpus.sound.waves import Clock
from musicldm.errors import InvalidInputError, unknown_choice

SAMPLE_RATES = (8000, 48000)
CHANNELS = (1, 2)
REST = "rest"
_HALVED = 32000
_PUMPED = ("bass", "chords", "pad", "counter")


@dataclass(frozen=True)
class Rendered:
    """A clip's master, (n,) mono or (2, n), and its stems by role, as loud as they are in it.

    The stems and `REST` add up to `wave` (within float32 rounding). A stem holds its dry sound, its effects and its
    own share of the room, with the tone and the gain that the whole mix gets; what tape and vinyl add is in `REST`.
    """

    wave: Wave
    stems: dict[str, Wave]


def render(score: Score, fonts: Fonts, *, sample_rate: int = 16000, channels: int = 1) -> Wave:
    """The clean mix of a score: float32, (seconds × sample_rate,) mono or (2, …) stereo; mono is the stereo's mid.

    fonts: play what has a General MIDI program, the first that fits an instrument; None will do for scores of
    synthesised parts. sample_rate: 8000 to 48000 Hz. The true peak of the stereo is `score.mix.peak`, at most -1 dBTP,
    or up to 0.6 dB less. The same bytes each time.
    Raises InvalidInputError for a rate or channels outside these, DataError if a font is needed or unreadable.
    """
    return _render(score, fonts, sample_rate, channels, stems=False).wave


def render_stems(score: Score, fonts: Fonts, *, sample_rate: int = 16000, channels: int = 1) -> Rendered:
    """As `render`, and the parts one by one."""
    return _render(score, fonts, sample_rate, channels, stems=True)


def _render(score: Score, fonts: Fonts, sample_rate: int, channels: int, *, stems: bool) -> Rendered:
    _check(score, sample_rate, channels)
    clock = _clock(score, sample_rate)
    seed = score.truth.seed
    parts = [(stem, _part(score, stem, fonts, clock)) for stem in score.stems]
    rng = np.random.default_rng([seed, 2])
    # Rooms swallow what is above 12 kHz, so that half the rate is enough for them.
    ratio = 2 if sample_rate > _HALVED else 1
    answer = response(score.mix.space, score.mix.room, sample_rate // ratio, rng) * np.float32(score.mix.wet)
    answer = _widened(answer, score.mix.width)
    mixed = _room(parts, answer, clock, ratio)
    done = master(mixed, score.mix, sample_rate, rng)
    made: dict[str, Wave] = {}
    if stems:
        for stem, wave in parts:
            alone = tone(_room([(stem, wave)], answer, clock, ratio), score.mix, sample_rate) * done.gain
            made[stem.part.role] = made[stem.part.role] + alone if stem.part.role in made else alone
        made[REST] = done.wave - sum(made.values(), np.zeros_like(done.wave))
    return Rendered(fold(done.wave, channels), {role: fold(wave, channels) for role, wave in made.items()})


def _check(score: Score, sample_rate: int, channels: int) -> None:
    low, high = SAMPLE_RATES
    if not low <= sample_rate <= high:
        raise InvalidInputError(f"sample rate {sample_rate}: from {low} to {high} Hz")
    if channels not in CHANNELS:
        raise unknown_choice("channels", str(channels), tuple(str(count) for count in CHANNELS))
    if score.mix.space not in SPACES:
        raise unknown_choice("space", score.mix.space, SPACES)


def _clock(score: Score, sample_rate: int) -> Clock:
    """With as many samples before the clip as notes begun earlier need to sound on into it."""
    first = min((note.start for stem in score.stems for note in stem.notes), default=0.0)
    lead_in = max(0, int(np.ceil(-first * sample_rate)))
    return Clock(sample_rate, lead_in, lead_in + round(score.truth.duration * sample_rate))


def _part(score: Score, stem: Stem, fonts: Fonts, clock: Clock) -> Wave:
    """One part in its place, at its level, with its effects: (2, count), without room."""
    seed = [score.truth.seed, 4, sum(map(ord, stem.part.role))]
    rng = np.random.default_rng(seed)
    setting = Setting(clock.sample_rate, 60 / score.truth.bpm, float(rng.random()))
    wave = play(stem, fonts, clock, setting, rng, score.mix.width)
    for name in stem.effects:
        wave = insert(wave, name, setting)
    if stem.part.role == "drums" and score.mix.punch > 0:
        wave = wave * punch_gain(wave, score.mix.punch, clock.sample_rate)
    wave = balance(wave, stem.level, clock.sample_rate)
    wave = echo(sweep(wave, stem.sweep, clock.sample_rate), stem.echo, score.mix.echo_seconds, clock.sample_rate)
    if stem.part.role in _PUMPED and score.mix.duck > 0:
        start = -clock.lead_in / clock.sample_rate
        wave = wave * pump_gain(score.kicks, score.mix.duck, start, clock.count, clock.sample_rate)
    return wave


def _widened(answer: Wave, width: float) -> Wave:
    """The room's response with its side scaled: no wider than the stage."""
    mid, side = answer[0] + answer[1], (answer[0] - answer[1]) * np.float32(min(width, 1.0))
    return np.float32(0.5) * np.stack([mid + side, mid - side])


def _room(parts: list[tuple[Stem, Wave]], answer: Wave, clock: Clock, ratio: int) -> Wave:
    """The parts' sum and its room, without what comes before the clip."""
    dry = np.zeros((2, clock.count), np.float32)
    send = np.zeros_like(dry)
    for stem, wave in parts:
        dry += wave
        send += np.float32(stem.send) * wave
    if answer.any():
        dry += reverberate(send, answer, ratio)
    return dry[:, clock.lead_in :]


def fold(wave: Wave, channels: int) -> Wave:
    """A stereo wave (2, n) with this many channels: itself, or its mid (n,)."""
    return wave if channels == 2 else np.float32(0.5) * (wave[0] + wave[1])
