"""A model folder's encoders over prepared shards: VAE latents, and CLAP embeddings of captions and sounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from musicldm.audio import Wave
from musicldm.data.arrays import Rows, fill, memory_map
from musicldm.data.cutting import FULL_SCALE
from musicldm.data.manifest import CLIPS, Shard
from musicldm.data.store import read_rows
from musicldm.errors import CheckpointError, unknown_choice
from musicldm.machine.devices import choose_device
from musicldm.model.clap import Clap, unit_vectors
from musicldm.model.identity import latents_name, sounds_name, texts_name
from musicldm.model.parts import load_part
from musicldm.model.vae import Vae

KINDS = ("latents", "texts", "sounds")
PRECISIONS = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_WAVES = 8
Embeddings = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Encoders:
    """Parts of a model folder in evaluation mode; None for those it has not, or that are not asked for.

    `mixed_precision` ("no", "bf16" or "fp16") is that of the VAE alone, as embeddings of two tempi lie closer together
    than the steps of half precision; the latents keep their name, from which they differ less than 1 % of a deviation.
    """

    vae: Vae | None = None
    clap: Clap | None = None
    mixed_precision: str = "no"

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", mixed_precision: str = "no") -> Encoders:
        """What is there of `vae/`, `text_encoder/` (CLAP) with `tokenizer/`, and `feature_extractor/`.

        Raises:
            InvalidInputError: a device that this machine does not have, or an unknown precision.
            CheckpointError: neither VAE nor CLAP is there, or one cannot be loaded.
        """
        if mixed_precision not in PRECISIONS:
            raise unknown_choice("mixed precision", mixed_precision, tuple(PRECISIONS))
        from diffusers import AutoencoderKL
        from diffusers.utils import logging as diffusers_logging
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel
        from transformers.utils import logging as transformers_logging

        for logging in (diffusers_logging, transformers_logging):
            logging.disable_progress_bar()
        kinds = {"vae": AutoencoderKL, "text_encoder": ClapModel, "tokenizer": AutoTokenizer}
        kinds["feature_extractor"] = ClapFeatureExtractor
        parts = [load_part(kind, folder, name) if (folder / name).is_dir() else None for name, kind in kinds.items()]
        vae, clap, tokenizer, extractor = parts
        if vae is None and (clap is None or (tokenizer is None and extractor is None)):
            raise CheckpointError(f"{folder} has no vae/ and no text_encoder/ with tokenizer/: give a model folder")
        chosen = choose_device(device)
        for model in (vae, clap):
            if model is not None:
                model.to(chosen).eval()
        return cls(
            None if vae is None else Vae(vae),
            None if clap is None else Clap(clap, tokenizer, extractor),
            mixed_precision,
        )

    @classmethod
    @lru_cache(maxsize=1)
    def cached(cls, folder: Path, device: str, mixed_precision: str) -> Encoders:
        """As `load`, once in a process."""
        return cls.load(folder, device, mixed_precision)

    def array_names(self, kinds: Sequence[str] = KINDS) -> dict[str, str]:
        """The names of the arrays that these encoders make, of those wanted."""
        names = {}
        for kind in kinds:
            if kind not in KINDS:
                raise unknown_choice("kind of array", kind, KINDS)
            if kind == "latents" and self.vae is not None:
                names[kind] = latents_name(self.vae.model)
            elif kind == "texts" and self.clap is not None and self.clap.tokenizer is not None:
                names[kind] = texts_name(self.clap.model)
            elif kind == "sounds" and self.clap is not None and self.clap.embeds_waves:
                names[kind] = sounds_name(self.clap.model)
        return names


@dataclass(frozen=True)
class Known:
    """Rows that another shard has already: clips and captions of it, and those they are of the new one."""

    shard: Shard
    clips: slice
    captions: slice
    new_clips: slice
    new_captions: slice


def add_arrays(shard: Shard, encoders: Encoders, kinds: Sequence[str] = KINDS, known: Sequence[Known] = ()) -> bool:
    """Gives a shard those arrays that it has not yet; returns whether there were any.

    Args:
        shard: with its waves, log-mels and captions.
        encoders: what makes the arrays.
        kinds: of `KINDS`; those that the encoders cannot make are passed over.
        known: rows to copy where the other shard has the array.
    """
    added = False
    for kind, name in encoders.array_names(kinds).items():
        count = shard.captions if kind == "texts" else shard.clips
        file = f"{name}.npy"
        if file in shard.files or not count:
            continue
        rows = []
        for other in known:
            if file in other.shard.files:
                old, new = (other.captions, other.new_captions) if kind == "texts" else (other.clips, other.new_clips)
                rows.append((new, memory_map(other.shard.folder / file)[old]))
        fill(shard.folder / file, count, rows, partial(_encode, kind, shard, encoders))
        shard.add(file)
        shard.save()
        added = True
    return added


def _encode(kind: str, shard: Shard, encoders: Encoders, indices: npt.NDArray[np.int64]) -> Iterator[Rows]:
    """The rows of a kind of array for the clips or captions of these indices, in their order."""
    if kind == "latents":
        assert encoders.vae is not None
        with _autocast(encoders.vae, encoders.mixed_precision):
            yield from encode_mels(encoders.vae, memory_map(shard.folder / "mels.npy"), indices)
        return
    assert encoders.clap is not None
    if kind == "texts":
        captions = [caption for row in read_rows(shard.folder / CLIPS) for caption in row.captions]
        yield embed_texts(encoders.clap, [captions[index] for index in indices])
        return
    waves = memory_map(shard.folder / "waves.npy")
    for start in range(0, len(indices), _WAVES):
        batch = waves[indices[start : start + _WAVES]].astype(np.float32) / np.float32(FULL_SCALE)
        yield embed_waves(encoders.clap, batch, shard.sample_rate)


def _autocast(vae: Vae, mixed_precision: str) -> AbstractContextManager[object]:
    dtype = PRECISIONS[mixed_precision]
    return nullcontext() if dtype is None else torch.autocast(vae.device.type, dtype)


@torch.no_grad()
def encode_mels(vae: Vae, mels: Rows, indices: npt.NDArray[np.int64]) -> Iterator[Embeddings]:
    """Means and standard deviations (n, 2 C, T, F) of the posterior of log-mels (N, frames, bins), unscaled.

    The VAE's weights are put into channels-last order. On its device, in its precision under the caller's autocast;
    one clip at a time on a CPU, whose caches that fits, else eight.
    """
    size = 1 if vae.device.type == "cpu" else 8
    vae.model.to(memory_format=torch.channels_last)
    for start in range(0, len(indices), size):
        mel = torch.from_numpy(np.asarray(mels[indices[start : start + size]], dtype=np.float32))
        yield vae.moments(mel).float().cpu().numpy().astype(np.float16)


def embed_texts(clap: Clap, texts: Sequence[str]) -> Embeddings:
    """Embeddings (len(texts), D), unit norm, of a CLAP that is put into evaluation mode."""
    clap.model.eval()
    return clap.embed_many_texts(texts).astype(np.float16)


def embed_waves(clap: Clap, waves: Wave, sample_rate: int) -> Embeddings:
    """Embeddings (n, D), unit norm, of sounds (n, samples) by a CLAP that is put into evaluation mode."""
    clap.model.eval()
    return unit_vectors(clap.embed_waves(waves, sample_rate)).astype(np.float16)
