"""What the LDM learns from beside sound: VAE latents and CLAP embeddings of prepared clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from musicldm.data.arrays import Sharded
from musicldm.data.encoders import Encoders, embed_texts, latents_name, sounds_name, texts_name
from musicldm.data.manifest import row_starts
from musicldm.data.prepare import encode
from musicldm.data.store import ClipStore


@dataclass(frozen=True)
class Conditions:
    """Unit-norm CLAP embeddings of prepared clips, float16.

    Attributes:
        text: (sum of captions, D), the captions of all clips one after the other.
        first: (N + 1,) where each clip's captions begin in `text`.
        audio: (N, D); zeros where sounds were left out.
        empty: (D,) of the empty string.
        words: (sum of captions,) how many each caption has; None where that does not matter.
    """

    text: npt.NDArray[np.float16]
    first: npt.NDArray[np.int64]
    audio: npt.NDArray[np.float16]
    empty: npt.NDArray[np.float16]
    words: npt.NDArray[np.int64] | None = None

    def part(self, clips: slice) -> Conditions:
        """Those of some of the clips, one after the other."""
        start, stop, _ = clips.indices(len(self.audio))
        return replace(self, first=self.first[start : stop + 1], audio=self.audio[start:stop])


def stored_latents(store: ClipStore, vae: Any, progress: Callable[[int, int], None] | None = None) -> Sharded:
    """Means and deviations (N, 2 C, T, F) float16 of the posterior of every clip; what is missing is made first."""
    encode(store.folder, Encoders(vae=vae), ("latents",), progress)
    return store.array(latents_name(vae))


def stored_texts(store: ClipStore, clap: Any, tokenizer: Any) -> npt.NDArray[np.float16]:
    """Embeddings (captions, D) of the captions of every clip; what is missing is made first."""
    encode(store.folder, Encoders(clap=clap, tokenizer=tokenizer), ("texts",))
    return np.asarray(store.caption_array(texts_name(clap)))


def stored_conditions(
    store: ClipStore,
    clap: Any,
    tokenizer: Any,
    extractor: Any,
    *,
    sounds: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Conditions:
    """Embeddings of captions, of sounds, and of the empty string; what is missing is made first.

    Without `sounds`, of captions alone.
    """
    text = stored_texts(store, clap, tokenizer)
    audio = np.zeros((len(store), 1), dtype=np.float16)
    if sounds:
        encode(store.folder, Encoders(clap=clap, extractor=extractor), ("sounds",), progress)
        audio = np.asarray(store.array(sounds_name(clap)))
    first = row_starts(len(row.captions) for row in store.rows)
    empty = embed_texts(clap, tokenizer, [""])[0]
    words = np.array([len(caption.split()) for row in store.rows for caption in row.captions])
    return Conditions(text, first, np.broadcast_to(audio, (len(store), text.shape[1])), empty, words)
