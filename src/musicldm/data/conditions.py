"""CLAP embeddings of a corpus: of every caption, of every clip's sound and of the empty string, cached beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from musicldm.audio import resample
from musicldm.data.clips import ClipStore
from musicldm.data.latents import module_hash


@dataclass(frozen=True)
class Conditions:
    """Unit-norm CLAP embeddings of a corpus, float16.

    Attributes:
        text: (sum of captions, D), the captions of all clips one after the other.
        first: (N + 1,) where each clip's captions begin in `text`.
        audio: (N, D); zeros where sounds were left out.
        empty: (D,) of the empty string.
    """

    text: npt.NDArray[np.float16]
    first: npt.NDArray[np.int64]
    audio: npt.NDArray[np.float16]
    empty: npt.NDArray[np.float16]

    def part(self, clips: slice) -> Conditions:
        """Those of some of the clips, one after the other."""
        start, stop, _ = clips.indices(len(self.audio))
        return Conditions(self.text, self.first[start : stop + 1], self.audio[start:stop], self.empty)


@torch.no_grad()
def embed_texts(clap: Any, tokenizer: Any, texts: Sequence[str], batch_size: int = 64) -> npt.NDArray[np.float16]:
    """Embeddings (len(texts), D), unit norm, of a CLAP that is put into evaluation mode.

    Texts of like length share a batch, padded to the longest in it.
    """
    clap.eval()
    device = next(clap.parameters()).device
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    out = np.zeros((len(texts), clap.config.projection_dim), dtype=np.float16)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        tokens = tokenizer([texts[i] for i in chosen], padding=True, truncation=True, return_tensors="pt").to(device)
        out[chosen] = _unit(clap.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output)
    return out


@torch.no_grad()
def embed_waves(
    clap: Any,
    extractor: Any,
    store: ClipStore,
    batch_size: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float16]:
    """Embeddings (N, D) of the sound of every clip, unit norm, of a CLAP that is put into evaluation mode.

    Sound is resampled to the extractor's rate: 48 kHz with the published CLAP.
    """
    clap.eval()
    device = next(clap.parameters()).device
    rate = extractor.sampling_rate
    out = np.zeros((len(store), clap.config.projection_dim), dtype=np.float16)
    for start in range(0, len(store), batch_size):
        clips = range(start, min(start + batch_size, len(store)))
        waves = [resample(store.wave(clip), store.spec.sample_rate, rate) for clip in clips]
        features = extractor(waves, sampling_rate=rate, return_tensors="pt")["input_features"]
        out[start : start + len(waves)] = _unit(clap.get_audio_features(features.to(device)).pooler_output)
        if progress is not None:
            progress(start + len(waves), len(store))
    return out


def _unit(embeddings: torch.Tensor) -> npt.NDArray[np.float16]:
    return torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy().astype(np.float16)


def cached_texts(store: ClipStore, clap: Any, tokenizer: Any) -> npt.NDArray[np.float16]:
    """Embeddings (captions + 1, D) of all captions and, last, of the empty string; made once for this text tower."""
    captions = [caption for row in store.rows for caption in row.captions]
    digest = hashlib.sha256("\n".join(captions).encode()).hexdigest()[:8]
    tower = module_hash(clap.text_model) + module_hash(clap.text_projection)
    path = store.folder / f"texts-{tower}-{digest}.npy"
    if not path.is_file():
        _save(path, embed_texts(clap, tokenizer, [*captions, ""]))
    return np.asarray(np.load(path))


def cached_conditions(
    store: ClipStore,
    clap: Any,
    tokenizer: Any,
    extractor: Any,
    *,
    sounds: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Conditions:
    """Conditions of the whole corpus, made once for each tower of this CLAP; without `sounds`, of captions alone."""
    text = cached_texts(store, clap, tokenizer)
    first = np.cumsum([0, *(len(row.captions) for row in store.rows)]).astype(np.int64)
    audio = cached_sounds(store, clap, extractor, progress) if sounds else np.zeros_like(text, shape=(len(store), 1))
    return Conditions(text[:-1], first, np.broadcast_to(audio, (len(store), text.shape[1])), text[-1])


def cached_sounds(
    store: ClipStore, clap: Any, extractor: Any, progress: Callable[[int, int], None] | None = None
) -> npt.NDArray[np.float16]:
    """Embeddings (N, D) of the sound of every clip; made once for this audio tower."""
    tower = module_hash(clap.audio_model) + module_hash(clap.audio_projection)
    path = store.folder / f"sounds-{tower}.npy"
    if not path.is_file():
        _save(path, embed_waves(clap, extractor, store, progress=progress))
    return np.asarray(np.load(path))


def _save(path: Path, array: npt.NDArray[np.float16]) -> None:
    """Writes an array whole or not at all."""
    partial = path.with_suffix(".partial.npy")
    np.save(partial, array)
    partial.replace(path)
