"""What the UNet learns from: latents of clips, alone or mixed, and the embedding to denoise them under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.data.arrays import Sharded
from musicldm.data.cutting import FULL_SCALE
from musicldm.data.embeddings import ClipEmbeddings
from musicldm.training.array_parts import ArrayParts
from musicldm.training.mixup.mixing import Mixer, Pairing, join_captions, mix_embeddings, mix_latents, mix_waves

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Mixing:
    """Mixup of a training.

    Attributes:
        mixer: who is mixed with whom.
        parts: what encodes and embeds mixtures.
        waves: (N, samples) int16 of the clips, full scale 32767.
        captions: of each clip, in the order of `ClipEmbeddings.text`.
    """

    mixer: Mixer
    parts: ArrayParts
    waves: npt.NDArray[np.int16] | Sharded
    captions: Sequence[Sequence[str]]


class Examples:
    """Draws training examples from cached moments and embeddings."""

    def __init__(
        self,
        latents: npt.NDArray[np.float16] | Sharded,
        embeddings: ClipEmbeddings,
        *,
        crop_frames: Sequence[int],
        drop: float,
        text_share: float,
        caption_power: float = 0.0,
        downbeats: Sequence[Sequence[int]] | None = None,
        mixing: Mixing | None = None,
    ) -> None:
        """Keeps what to draw from.

        Args:
            latents: (N, 2 C, T, F) means and deviations of the posteriors, unscaled.
            embeddings: of the same clips.
            crop_frames: lengths of examples, one of them for each batch; a clip's T where they are longer.
            drop: probability of the empty prompt's embedding.
            text_share: probability that the others are a caption's and not the sound's.
            caption_power: a clip's captions are drawn in proportion to their number of words to this power.
            downbeats: frames of each clip at which examples begin; a clip without one early enough, and every clip
                where None is given, may begin anywhere.
            mixing: mixes clips, where given.
        """
        self.latents, self.embeddings, self.mixing = latents, embeddings, mixing
        self.frames = tuple(min(frames, latents.shape[2]) for frames in crop_frames)
        self.downbeats = downbeats
        self.drop, self.text_share = drop, text_share
        self.weights = None
        if caption_power and embeddings.words is not None:
            self.weights = np.maximum(embeddings.words, 1).astype(np.float64) ** caption_power

    def draw(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Array, Array]:
        """Moments (B, 2 C, crop, F) and conditions (B, D) of these clips; same generator, same examples."""
        frames = int(rng.choice(self.frames))
        drawn = [self._example(int(clip), frames, rng) for clip in clips]
        return np.stack([moments for moments, _ in drawn]), np.stack([condition for _, condition in drawn])

    def _example(self, clip: int, frames: int, rng: np.random.Generator) -> tuple[Array, Array]:
        mixing = self.mixing
        if mixing is not None:
            needed = mixing.mixer.seconds * frames / self.latents.shape[2]
            pairing = mixing.mixer.draw(clip, needed, rng)
            if pairing is not None:
                return self._mixed(clip, pairing, frames, mixing, rng)
        latest = self.latents.shape[2] - frames
        early = [frame for frame in self.downbeats[clip] if frame <= latest] if self.downbeats is not None else []
        start = early[int(rng.integers(len(early)))] if early else int(rng.integers(0, latest + 1))
        moments = self.latents[clip][:, start : start + frames]
        return np.asarray(moments, dtype=np.float32), self._condition(clip, rng)

    def _condition(self, clip: int, rng: np.random.Generator) -> Array:
        dropped, from_text = rng.random(2)
        if dropped < self.drop:
            return np.asarray(self.embeddings.empty, dtype=np.float32)
        if from_text >= self.text_share:
            return np.asarray(self.embeddings.audio[clip], dtype=np.float32)
        return np.asarray(self.embeddings.text[self._caption(clip, rng)], dtype=np.float32)

    def _caption(self, clip: int, rng: np.random.Generator) -> int:
        """Index in `conditions.text` of one of a clip's captions."""
        first, end = (int(at) for at in self.embeddings.first[clip : clip + 2])
        if self.weights is None:
            return int(rng.integers(first, end))
        weights = self.weights[first:end]
        return first + int(rng.choice(end - first, p=weights / weights.sum()))

    def _mixed(
        self, clip: int, pairing: Pairing, frames: int, mixing: Mixing, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        make = self._blm if mixing.mixer.options.kind == "blm" else self._of_waves
        moments, wave = make(clip, pairing, frames, mixing, rng)
        dropped, from_text = rng.random(2)
        if dropped < self.drop:
            return moments, np.asarray(self.embeddings.empty, dtype=np.float32)
        if from_text < self.text_share:
            return moments, self._mixed_captions(clip, pairing, mixing, rng)
        if mixing.mixer.options.sound_condition == "mixed":
            audio = self.embeddings.audio
            return moments, mix_embeddings(audio[clip], audio[pairing.partner], pairing.weight)
        if wave is None:
            mean, _ = np.split(moments, 2)
            wave = mixing.parts.decode(mean[None])[0]
        return moments, mixing.parts.embed_waves(wave[None])[0]

    def _blm(
        self, clip: int, pairing: Pairing, frames: int, mixing: Mixing, rng: np.random.Generator
    ) -> tuple[Array, Array | None]:
        per_second = self.latents.shape[2] / mixing.mixer.seconds
        mixed = mix_latents(self.latents[clip], self.latents[pairing.partner], pairing, per_second)
        start = self._start_in(mixed.shape[1], frames, mixing, rng)
        return _filled(mixed[:, start : start + frames], frames), None

    def _of_waves(
        self, clip: int, pairing: Pairing, frames: int, mixing: Mixing, rng: np.random.Generator
    ) -> tuple[Array, Array | None]:
        anchor, partner = (
            np.asarray(mixing.waves[i], np.float32) / np.float32(FULL_SCALE) for i in (clip, pairing.partner)
        )
        parts, options = mixing.parts, mixing.mixer.options
        mixed = mix_waves(anchor, partner, pairing, parts.sample_rate, match_loudness=options.match_loudness)
        hop = mixing.waves.shape[1] // self.latents.shape[2]
        start = hop * self._start_in(len(mixed) // hop, frames, mixing, rng)
        crop = mixed[start : start + hop * frames]
        return _filled(parts.encode(crop[None])[0], frames), crop

    def _start_in(self, length: int, frames: int, mixing: Mixing, rng: np.random.Generator) -> int:
        """Where the example begins in a mixture: one in time with the beat begins on a downbeat itself."""
        if self.downbeats is not None and mixing.mixer.options.kind != "simple":
            return 0
        return int(rng.integers(0, max(length - frames, 0) + 1))

    def _mixed_captions(self, clip: int, pairing: Pairing, mixing: Mixing, rng: np.random.Generator) -> Array:
        anchor, partner = self._caption(clip, rng), self._caption(pairing.partner, rng)
        text, how = self.embeddings.text, mixing.mixer.options.captions
        if how == "mixed":
            return mix_embeddings(text[anchor], text[partner], pairing.weight)
        if how == "anchor":
            return np.asarray(text[anchor], dtype=np.float32)
        first = self.embeddings.first
        words = [mixing.captions[i][at - first[i]] for i, at in ((clip, anchor), (pairing.partner, partner))]
        joined: Array = mixing.parts.embed_texts([join_captions(*words)])[0]
        return joined


def _filled(moments: Array, frames: int) -> Array:
    """As many frames as an example has: a mixture that rounding made a frame short repeats its last."""
    missing = frames - moments.shape[1]
    return np.pad(moments, ((0, 0), (0, missing), (0, 0)), mode="edge") if missing > 0 else moments
