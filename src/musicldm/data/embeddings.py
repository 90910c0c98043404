"""What the LDM learns from beside sound: VAE latents and CLAP embeddings of prepared clips."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from musicldm.data.arrays import Sharded
from musicldm.data.encoders import Encoders, embed_texts
from musicldm.data.manifest import row_starts
from musicldm.data.prepare import encode
from musicldm.data.store import ClipStore
from musicldm.events import Listener, ignore
from musicldm.model.clap import Clap
from musicldm.model.identity import latents_name, sounds_name, texts_name
from musicldm.model.vae import Vae


@dataclass(frozen=True)
class ClipEmbeddings:
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

    def part(self, clips: slice) -> ClipEmbeddings:
        """Those of some of the clips, one after the other."""
        start, stop, _ = clips.indices(len(self.audio))
        return replace(self, first=self.first[start : stop + 1], audio=self.audio[start:stop])


def stored_latents(store: ClipStore, vae: Vae, listen: Listener = ignore) -> Sharded:
    """Means and deviations (N, 2 C, T, F) float16 of the posterior of every clip; what is missing is made first."""
    encode(store.folder, Encoders(vae=vae), ("latents",), listen)
    return store.array(latents_name(vae.model))


def stored_texts(store: ClipStore, clap: Clap, listen: Listener = ignore) -> npt.NDArray[np.float16]:
    """Embeddings (captions, D) of the captions of every clip; what is missing is made first."""
    encode(store.folder, Encoders(clap=clap), ("texts",), listen)
    return np.asarray(store.caption_array(texts_name(clap.model)))


def stored_embeddings(
    store: ClipStore, clap: Clap, *, sounds: bool = True, listen: Listener = ignore
) -> ClipEmbeddings:
    """Embeddings of captions, of sounds, and of the empty string; what is missing is made first.

    Without `sounds`, of captions alone.
    """
    text = stored_texts(store, clap)
    audio = np.zeros((len(store), 1), dtype=np.float16)
    if sounds:
        encode(store.folder, Encoders(clap=clap), ("sounds",), listen)
        audio = np.asarray(store.array(sounds_name(clap.model)))
    first = row_starts(len(row.captions) for row in store.rows)
    empty = embed_texts(clap, [""])[0]
    words = np.array([len(caption.split()) for row in store.rows for caption in row.captions])
    return ClipEmbeddings(text, first, np.broadcast_to(audio, (len(store), text.shape[1])), empty, words)
