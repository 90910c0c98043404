"""Beat-synchronous mixup of MusicLDM (arXiv 2308.01546, section 3.2): who is mixed with whom, where, and how much.

Functions over arrays, and `Mixer`, which draws for a whole corpus. `MixupOptions` with its defaults is what the first
author's training code does; the other values are what this project adds. Times are seconds, tempi beats a minute.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from musicldm.audio import Wave
from musicldm.data.store import ClipRow
from musicldm.errors import DataError, InvalidInputError, unknown_choice

Kind = Literal["none", "simple", "bam", "blm"]
Condition = Literal["heard", "mixed"]
Captions = Literal["anchor", "joined", "mixed"]
KINDS: tuple[str, ...] = get_args(Kind)
GROUP_WIDTH = 3
"""Tempi of a group lie within so many beats a minute."""
CONCENTRATION = 5.0
"""Both parameters of the Beta distribution of λ."""
PEAK = 0.5
"""Of a mixture of waves."""
_OCTAVE = 80.0
"""Folded tempi lie between this and its double."""
_KEYS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_MODES = {"major": 0, "dorian": 2, "phrygian": 4, "lydian": 5, "mixolydian": 7, "minor": 9, "aeolian": 9, "locrian": 11}
"""Semitones of a mode's tonic above that of the major scale with the same notes."""
# And of scales that are none of its modes: of the major scale that they share most notes with.
_MODES |= {"major pentatonic": 0, "double harmonic": 4, "phrygian dominant": 4, "minor pentatonic": 9}
_MODES |= {"harmonic minor": 9, "hirajoshi": 9}

Latent = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class MixupOptions:
    """How training clips are mixed.

    Args:
        kind: "none"; "simple", waves of any two clips as they lie; "bam", waves of like tempo, cut at downbeats; "blm",
            latents likewise.
        probability: of a clip's being mixed; the paper does not say it.
        sound_condition: of a mixture where the condition is sound: the embedding of the mixture as it is "heard"
            (published; decoded, encoded and embedded in every step), or the two embeddings "mixed" with λ.
        captions: where the condition is a caption: the "anchor"'s alone (published), both "joined" in one text, or
            their embeddings "mixed" with λ.
        fold_tempo: 70 and 140 BPM are one tempo.
        other_partner: a clip's partner is another clip, never itself.
        match_loudness: the partner's wave is brought to the anchor's level before; not for "blm", which has no waves.
        match_key: partners' scales differ in one note at most, where both keys are known.

    Raises:
        InvalidInputError: an unknown kind or condition, or a probability outside 0 to 1.
    """

    kind: Kind = "none"
    probability: float = 0.5
    sound_condition: Condition = "heard"
    captions: Captions = "anchor"
    fold_tempo: bool = False
    other_partner: bool = False
    match_loudness: bool = False
    match_key: bool = False

    def __post_init__(self) -> None:
        choices = {"kind": KINDS, "sound_condition": get_args(Condition), "captions": get_args(Captions)}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise unknown_choice(f"mixup {name}", getattr(self, name), known)
        if not 0 <= self.probability <= 1:
            raise InvalidInputError(f"mixup probability is {self.probability}: it must be between 0 and 1")
        if self.match_loudness and self.kind == "blm":
            raise InvalidInputError("match_loudness is for mixtures of waves: choose kind 'bam' or 'simple'")


@dataclass(frozen=True)
class Pairing:
    """What one clip is mixed with.

    Attributes:
        partner: index of the other clip.
        start: second of the anchor at which the mixture begins.
        partner_start: second of the partner at which it begins.
        weight: λ, of the anchor, 0 to 1.
    """

    partner: int
    start: float
    partner_start: float
    weight: float


def mixing_weight(rng: np.random.Generator) -> float:
    """λ ~ Beta(5, 5)."""
    return float(rng.beta(CONCENTRATION, CONCENTRATION))


def whole_tempo(beats: Sequence[float]) -> int:
    """Whole beats a minute, round((n − 1) / (last − first) · 60); 0 where there are fewer than two beats."""
    if len(beats) < 2 or beats[-1] <= beats[0]:
        return 0
    return round((len(beats) - 1) / (beats[-1] - beats[0]) * 60)


def folded(tempo: float) -> float:
    """The tempo doubled or halved into 80 to 160 BPM; 0 stays."""
    if tempo <= 0:
        return 0.0
    return float(_OCTAVE * 2 ** (np.log2(tempo / _OCTAVE) % 1))


def tempo_group(beats: Sequence[float], *, fold: bool = False) -> int:
    """The number of the group of like tempo: BPM // 3."""
    tempo = whole_tempo(beats)
    return int(round(folded(tempo)) if fold else tempo) // GROUP_WIDTH


def keys_agree(first: tuple[str, str] | None, second: tuple[str, str] | None) -> bool:
    """Whether two keys (tonic, mode) share six notes of seven or all; an unknown one agrees with any.

    Scales of seven notes that are neighbours on the circle of fifths differ in one.
    """
    return bool(_fifths_agree(_fifths(first), np.array([_fifths(second)]))[0])


def _fifths_agree(fifth: int, others: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether a position on the circle of fifths is the neighbour of others or the same; below 0 is unknown."""
    distance = (others - fifth) % 12
    return np.asarray((fifth < 0) | (others < 0) | (np.minimum(distance, 12 - distance) <= 1))


def _fifths(key: tuple[str, str] | None) -> int:
    """Position on the circle of fifths of the major scale with the same notes; -1 where there is no key, or no such."""
    if key is None or key[0] not in _KEYS or key[1] not in _MODES:
        return -1
    return (_KEYS.index(key[0]) - _MODES[key[1]]) * 7 % 12


def downbeat_cut(downbeats: Sequence[float], latest: float, rng: np.random.Generator) -> float | None:
    """A random downbeat but the last, not after `latest`; None where there are fewer than two, or none so early.

    Args:
        downbeats: seconds, rising.
        latest: second after which too little of the clip would be left.
        rng: draws one.
    """
    early = [time for time in downbeats[:-1] if time <= latest]
    return float(early[rng.integers(len(early))]) if early else None


def mix_waves(
    anchor: Wave,
    partner: Wave,
    pairing: Pairing,
    sample_rate: int,
    *,
    match_loudness: bool = False,
    peak: float | None = PEAK,
) -> Wave:
    """BAM: λ anchor + (1 − λ) partner from their cuts on, as long as the shorter.

    Args:
        anchor: (samples,).
        partner: (samples,).
        pairing: cuts and λ.
        sample_rate: in Hz.
        match_loudness: brings the partner's cut to the root mean square of the anchor's.
        peak: of the mixture; None leaves it.
    """
    a = anchor[round(pairing.start * sample_rate) :]
    b = partner[round(pairing.partner_start * sample_rate) :]
    length = min(len(a), len(b))
    a, b = a[:length].astype(np.float64), b[:length].astype(np.float64)
    if match_loudness:
        levels = [np.sqrt(np.square(x).mean()) if length else 0.0 for x in (a, b)]
        b = b * (levels[0] / levels[1] if min(levels) > 0 else 1.0)
    mixed = pairing.weight * a + (1 - pairing.weight) * b
    loudest = np.abs(mixed).max(initial=0.0)
    if peak is not None and loudest > 0:
        mixed *= peak / loudest
    return mixed.astype(np.float32)


def latent_cuts(pairing: Pairing, frames_per_second: float) -> tuple[int, int]:
    """The first frames of anchor and partner: those that hold the cuts, at most half a frame off each other.

    The partner is rounded by the distance between the two cuts: where each is rounded for itself, the downbeats may
    come to lie a whole frame apart. Where rounding would cut the partner's downbeat off, both begin a frame earlier.
    """
    position, partner_position = pairing.start * frames_per_second, pairing.partner_start * frames_per_second
    start = math.floor(position)
    partner = start + round(partner_position - position)
    if partner > partner_position:
        start, partner = start - 1, partner - 1
    late = max(0, -start, -partner)
    return start + late, partner + late


def mix_latents(anchor: Latent, partner: Latent, pairing: Pairing, frames_per_second: float) -> Latent:
    """BLM: λ z₁ + (1 − λ) z₂ from their cuts on, as long as the shorter.

    Args:
        anchor: (2 C, T, F), means and deviations of the posterior. Those of a weighted sum of independent normal draws
            are the weighted sum of the means and the root of the weighted sum of squares.
        partner: the same.
        pairing: cuts and λ.
        frames_per_second: of the latents.
    """
    start, partner_start = latent_cuts(pairing, frames_per_second)
    a, b = anchor[:, start:], partner[:, partner_start:]
    length = min(a.shape[1], b.shape[1])
    mean_a, deviation_a = np.split(a[:, :length].astype(np.float32), 2)
    mean_b, deviation_b = np.split(b[:, :length].astype(np.float32), 2)
    weight = np.float32(pairing.weight)
    mean = weight * mean_a + (1 - weight) * mean_b
    return np.concatenate([mean, np.hypot(weight * deviation_a, (1 - weight) * deviation_b)])


def mix_embeddings(anchor: Latent, partner: Latent, weight: float) -> npt.NDArray[np.float32]:
    """λ e₁ + (1 − λ) e₂ of unit-norm embeddings (D,), of unit norm again."""
    mixed = weight * anchor.astype(np.float32) + (1 - weight) * partner.astype(np.float32)
    return np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-12), dtype=np.float32)


def join_captions(anchor: str, partner: str) -> str:
    """Both captions in one, the anchor's first."""
    return f"{anchor.strip().rstrip('.')}, mixed with {partner.strip()}"


class Mixer:
    """Draws partners, cuts and weights for the clips of a corpus."""

    def __init__(
        self,
        beats: Sequence[Sequence[float]],
        downbeats: Sequence[Sequence[float]],
        keys: Sequence[tuple[str, str] | None],
        seconds: float,
        options: MixupOptions,
    ) -> None:
        """Groups the clips by tempo.

        Args:
            beats: of each clip, in seconds, rising; empty where none were found.
            downbeats: of each clip.
            keys: tonic and mode of each clip, or None.
            seconds: length of every clip.
            options: whom they may be mixed with.
        """
        self.options, self.seconds, self.downbeats = options, seconds, downbeats
        self._key_fifths = np.array([_fifths(key) for key in keys])
        in_time = options.kind in ("bam", "blm")
        self._group = [tempo_group(b, fold=options.fold_tempo) if in_time else 0 for b in beats]
        members: dict[int, list[int]] = {}
        for index, group in enumerate(self._group):
            members.setdefault(group, []).append(index)
        self._members = {group: np.array(indices) for group, indices in members.items()}

    @classmethod
    def of_rows(cls, rows: Sequence[ClipRow], seconds: float, options: MixupOptions) -> Mixer:
        """From the clips' fields `beats`, `downbeats`, `key` and `mode`.

        Raises:
            DataError: a clip without beats, where they are needed.
        """
        if options.kind in ("bam", "blm"):
            missing = next((row.source for row in rows if "downbeats" not in row.fields), None)
            if missing is not None:
                raise DataError(
                    f"{missing} has no beats, which mixup {options.kind!r} needs: prepare the data with beats"
                )
        keys = [(row.fields["key"], row.fields["mode"]) if row.fields.get("mode") else None for row in rows]
        beats, downbeats = ([row.fields.get(name, ()) for row in rows] for name in ("beats", "downbeats"))
        return cls(beats, downbeats, keys, seconds, options)

    def partners(self, index: int) -> npt.NDArray[np.int64]:
        """The clips that this one may be mixed with."""
        members = self._members[self._group[index]]
        if self.options.other_partner:
            members = members[members != index]
        if self.options.match_key:
            members = members[_fifths_agree(int(self._key_fifths[index]), self._key_fifths[members])]
        return members

    def draw(self, index: int, needed: float, rng: np.random.Generator) -> Pairing | None:
        """What clip `index` is mixed with; None where it stays as it is.

        Args:
            index: of the anchor.
            needed: seconds of the mixture that the training takes; a cut leaves them.
            rng: of all draws.
        """
        if self.options.kind == "none" or rng.random() >= self.options.probability:
            return None
        return self.draw_pairing(index, needed, rng)

    def draw_pairing(self, index: int, needed: float, rng: np.random.Generator) -> Pairing | None:
        """What clip `index` is mixed with, whatever the probability; None where there is nothing to mix it with."""
        partners = self.partners(index)
        if not len(partners):
            return None
        partner = int(partners[rng.integers(len(partners))])
        weight = mixing_weight(rng)
        if self.options.kind == "simple":
            return Pairing(partner, 0.0, 0.0, weight)
        latest = self.seconds - needed
        start = downbeat_cut(self.downbeats[index], latest, rng)
        partner_start = downbeat_cut(self.downbeats[partner], latest, rng)
        if start is None or partner_start is None:
            return None
        return Pairing(partner, start, partner_start, weight)
